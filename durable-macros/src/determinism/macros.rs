//! A look into the arguments of macros, which are tokens and not yet expressions.

use proc_macro2::{TokenStream, TokenTree};

use super::rules;

/// Something found in the tokens of a macro call.
pub(super) struct Finding {
    /// The path, or the name of a macro.
    pub(super) tokens: TokenStream,
    pub(super) message: String,
}

/// Finds the paths and the macro calls in `tokens`, at any depth.
///
/// Reading paths out of the tokens works for every macro, also for those whose arguments are no expressions, such as
/// `select!`.
pub(super) fn scan(tokens: TokenStream) -> Vec<Finding> {
    let mut scan = Scan { path: Vec::new(), segments: Vec::new(), state: State::Start, findings: Vec::new() };
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if let TokenTree::Punct(punct) = &token
            && punct.as_char() == '!'
            && scan.state == State::Segment
            && let Some(TokenTree::Group(arguments)) = tokens.peek()
        {
            scan.macro_call(token, &arguments.stream());
            continue;
        }
        scan.token(token);
    }
    scan.end_path();
    scan.findings
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// A path may begin here.
    Start,
    /// Behind a segment.
    Segment,
    /// Behind the first or second colon of a `::`.
    Colon,
    DoubleColon,
    /// Behind a `.`: what follows is a field or a method.
    Dot,
}

struct Scan {
    path: Vec<TokenTree>,
    segments: Vec<String>,
    state: State,
    findings: Vec<Finding>,
}

impl Scan {
    fn token(&mut self, token: TokenTree) {
        let next = match (&token, self.state) {
            (TokenTree::Ident(ident), State::Start | State::DoubleColon) => {
                self.segments.push(ident.to_string());
                self.path.push(token);
                self.state = State::Segment;
                return;
            }
            (TokenTree::Ident(ident), State::Segment | State::Colon) => {
                let segment = ident.to_string();
                self.end_path();
                self.segments.push(segment);
                self.path.push(token);
                self.state = State::Segment;
                return;
            }
            (TokenTree::Punct(punct), State::Segment) if punct.as_char() == ':' => {
                self.path.push(token);
                self.state = State::Colon;
                return;
            }
            (TokenTree::Punct(punct), State::Colon) if punct.as_char() == ':' => {
                self.path.push(token);
                self.state = State::DoubleColon;
                return;
            }
            (TokenTree::Punct(punct), _) if punct.as_char() == '.' => State::Dot,
            // Also a field or a method behind a dot.
            _ => State::Start,
        };
        self.end_path();
        self.state = next;
        if let TokenTree::Group(group) = token {
            self.findings.extend(scan(group.stream()));
        }
    }

    fn macro_call(&mut self, bang: TokenTree, arguments: &TokenStream) {
        if let Some(message) = rules::of_macro(&self.segments, arguments) {
            let tokens = self.path.drain(..).chain([bang]).collect();
            self.findings.push(Finding { tokens, message });
        }
        self.forget();
    }

    fn end_path(&mut self) {
        while matches!(self.path.last(), Some(TokenTree::Punct(_))) {
            self.path.pop();
        }
        if let Some(message) = rules::of_path(&self.segments) {
            self.findings.push(Finding { tokens: self.path.drain(..).collect(), message });
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.path.clear();
        self.segments.clear();
        self.state = State::Start;
    }
}
