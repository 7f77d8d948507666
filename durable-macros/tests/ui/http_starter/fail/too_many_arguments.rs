use durable_http::{RawBody, http_starter};

#[http_starter]
async fn hello(_a: RawBody, _b: RawBody, _c: RawBody, _d: RawBody, _e: RawBody, _f: RawBody, _g: RawBody, _h: RawBody, _i: RawBody, _j: RawBody, _k: RawBody, _l: RawBody, _m: RawBody) {}

fn main() {}
