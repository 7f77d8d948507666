//! The servers that an address names, and how one of them is chosen.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_postgres::Config;
use tokio_postgres::config::{Host, LoadBalanceHosts};

/// Servers, of which one is the right one at a time.
pub(super) struct Hosts {
    all: Vec<Server>,
    takes_any: bool,
    /// The one that was right last. It is asked first, since those before it may take their time to say nothing.
    last: AtomicUsize,
}

/// A server as it is named.
pub(super) struct Server {
    /// What its certificate is for.
    name: Host,
    /// Where it is, if the name does not say it.
    address: Option<IpAddr>,
    port: u16,
}

impl Hosts {
    /// `None` when the parts do not fit together.
    pub(super) fn new(config: &Config) -> Option<Self> {
        let (names, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
        let count = names.len().max(addresses.len());
        let fits = |len: usize| len == 0 || len == count;
        if !fits(names.len()) || !fits(addresses.len()) || !(ports.len() == 1 || fits(ports.len())) {
            return None;
        }
        let server = |at: usize| {
            let address = addresses.get(at).copied();
            Some(Server {
                name: names.get(at).cloned().or(address.map(|address| Host::Tcp(address.to_string())))?,
                address,
                port: ports.get(at).or(ports.first()).copied().unwrap_or(5432),
            })
        };
        let all: Vec<_> = (0..count).filter_map(server).collect();
        let takes_any = config.get_load_balance_hosts() == LoadBalanceHosts::Random;
        (!all.is_empty()).then_some(Self { all, takes_any, last: AtomicUsize::new(0) })
    }

    /// Each server once with its number, the most promising one first.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = (usize, &Server)> {
        let first = if self.takes_any { chance(self.all.len()) } else { self.last.load(Ordering::Relaxed) };
        let (before, from) = self.all.split_at(first.min(self.all.len()));
        (first..).zip(from).chain((0..).zip(before))
    }

    pub(super) fn was_right(&self, number: usize) {
        self.last.store(number, Ordering::Relaxed);
    }

    /// All are on this machine, so that nobody else hears what is said to them.
    pub(super) fn are_here(&self) -> bool {
        self.all.iter().all(Server::is_here)
    }

    pub(super) fn are_several(&self) -> bool {
        self.all.len() > 1
    }

    /// For messages.
    pub(super) fn told(&self) -> String {
        self.all.iter().map(Server::told).collect::<Vec<_>>().join(",")
    }
}

impl Server {
    fn is_here(&self) -> bool {
        match (&self.name, self.address) {
            // A connection goes there, whatever the name.
            (_, Some(address)) => address.is_loopback(),
            (Host::Tcp(name), None) => name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()),
            #[cfg(unix)]
            (Host::Unix(_), None) => true,
        }
    }

    pub(super) fn told(&self) -> String {
        let name = match &self.name {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        };
        if self.port == 5432 { name } else { format!("{name}:{}", self.port) }
    }

    /// One configuration for each address of the server, since each may be silent by itself.
    pub(super) async fn configs(&self, all: &Config) -> io::Result<Vec<Config>> {
        let addresses = match (&self.name, self.address) {
            (Host::Tcp(name), None) => {
                let mut found: Vec<IpAddr> = Vec::new();
                for address in tokio::net::lookup_host((name.as_str(), self.port)).await? {
                    if !found.contains(&address.ip()) {
                        found.push(address.ip());
                    }
                }
                if all.get_load_balance_hosts() == LoadBalanceHosts::Random && !found.is_empty() {
                    let first = chance(found.len());
                    found.rotate_left(first);
                }
                found.into_iter().map(Some).collect()
            }
            (_, address) => vec![address],
        };
        Ok(addresses.into_iter().map(|address| self.config(all, address)).collect())
    }

    /// The same for one server alone.
    fn config(&self, all: &Config, address: Option<IpAddr>) -> Config {
        let mut one = Config::new();
        match &self.name {
            Host::Tcp(name) => one.host(name),
            #[cfg(unix)]
            Host::Unix(path) => one.host_path(path),
        };
        one.port(self.port);
        address.map(|address| one.hostaddr(address));
        all.get_user().map(|user| one.user(user));
        all.get_password().map(|password| one.password(password));
        all.get_dbname().map(|name| one.dbname(name));
        all.get_options().map(|options| one.options(options));
        all.get_application_name().map(|name| one.application_name(name));
        all.get_connect_timeout().map(|timeout| one.connect_timeout(*timeout));
        all.get_tcp_user_timeout().map(|timeout| one.tcp_user_timeout(*timeout));
        all.get_keepalives_interval().map(|interval| one.keepalives_interval(interval));
        all.get_keepalives_retries().map(|retries| one.keepalives_retries(retries));
        one.keepalives(all.get_keepalives()).keepalives_idle(all.get_keepalives_idle());
        one.ssl_mode(all.get_ssl_mode()).ssl_negotiation(all.get_ssl_negotiation());
        one.target_session_attrs(all.get_target_session_attrs()).channel_binding(all.get_channel_binding());
        one
    }
}

/// A number below another one that is not 0.
fn chance(below: usize) -> usize {
    let number = RandomState::new().build_hasher().finish();
    usize::try_from(number % below as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(url: &str) -> Hosts {
        Hosts::new(&url.parse().unwrap()).unwrap()
    }

    #[test]
    fn only_what_is_here_is_here() {
        for (url, is_here) in [
            ("postgres://localhost/shop", true),
            ("postgres://127.0.0.1,[::1]/shop", true),
            ("host=/run/postgresql", true),
            ("postgres:///shop?hostaddr=127.0.0.1", true),
            ("postgres://db.example.com/shop?hostaddr=127.0.0.1", true),
            ("postgres:///shop?hostaddr=192.0.2.1", false),
            ("postgres://localhost/shop?hostaddr=192.0.2.1", false),
            ("host=/run/postgresql hostaddr=192.0.2.1", false),
            ("postgres://localhost,db.example.com/shop", false),
        ] {
            assert_eq!(hosts(url).are_here(), is_here, "{url}");
        }
    }

    #[test]
    fn who_was_right_is_asked_first() {
        let hosts = hosts("postgres://a,b:99,c/shop");
        let order = || hosts.in_turn().map(|(number, server)| (number, server.told())).collect::<Vec<_>>();
        let [a, b, c] = [(0, "a".to_owned()), (1, "b:99".to_owned()), (2, "c".to_owned())];
        assert_eq!(order(), [a.clone(), b.clone(), c.clone()]);
        hosts.was_right(1);
        assert_eq!(order(), [b, c, a]);
    }

    #[test]
    fn any_of_several_is_asked_where_that_is_wanted() {
        let hosts = hosts("postgres://a,b,c/shop?load_balance_hosts=random");
        let mut firsts: Vec<_> = (0..200).filter_map(|_| hosts.in_turn().next()).map(|(number, _)| number).collect();
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts, [0, 1, 2]);
    }

    #[tokio::test]
    async fn one_server_has_what_all_have() {
        let all: Config = "host=a,b hostaddr=192.0.2.1,192.0.2.2 port=1,2 user=ada password=p dbname=shop options=-cx=y \
            application_name=n connect_timeout=3 tcp_user_timeout=4 keepalives=0 keepalives_idle=5 keepalives_interval=6 \
            keepalives_retries=7 sslmode=require sslnegotiation=direct target_session_attrs=read-write \
            channel_binding=require"
            .parse()
            .unwrap();
        let one: Config = "host=b hostaddr=192.0.2.2 port=2 user=ada password=p dbname=shop options=-cx=y \
            application_name=n connect_timeout=3 tcp_user_timeout=4 keepalives=0 keepalives_idle=5 keepalives_interval=6 \
            keepalives_retries=7 sslmode=require sslnegotiation=direct target_session_attrs=read-write \
            channel_binding=require"
            .parse()
            .unwrap();
        let hosts = Hosts::new(&all).unwrap();
        let (_, second) = hosts.in_turn().nth(1).unwrap();
        assert!(second.configs(&all).await.unwrap() == [one]);
    }

    #[test]
    fn what_does_not_fit_together_is_none() {
        for url in ["host=a,b hostaddr=192.0.2.1", "host=a,b,c port=1,2", "user=ada"] {
            assert!(Hosts::new(&url.parse().unwrap()).is_none(), "{url}");
        }
    }
}
