//! Telling code from comments and literals, as far as the rules need it.

/// The text with blanks instead of comments and of what literals hold. Lines and columns stay as they are.
pub(crate) fn without_comments_and_literals(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut i = 0;
    while i < bytes.len() {
        let end = match bytes[i] {
            b'/' if bytes.get(i + 1) == Some(&b'/') => line_end(bytes, i),
            b'/' if bytes.get(i + 1) == Some(&b'*') => block_end(bytes, i),
            b'"' => string_end(bytes, i + 1),
            b'r' if !is_word(bytes, i) => raw_string_end(bytes, i).unwrap_or(i + 1),
            b'\'' => char_end(bytes, i).unwrap_or(i + 1),
            _ => i + 1,
        };
        if end > i + 1 {
            blank(&mut out[i..end]);
        }
        i = end;
    }
    String::from_utf8(out).expect("whole characters are blanked")
}

/// True when the byte before `at` belongs to the same word.
fn is_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

fn blank(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| from + length)
}

fn block_end(bytes: &[u8], from: usize) -> usize {
    let (mut i, mut depth) = (from, 0);
    while i < bytes.len() {
        match bytes.get(i..i + 2) {
            Some(b"/*") => (depth, i) = (depth + 1, i + 2),
            Some(b"*/") if depth == 1 => return i + 2,
            Some(b"*/") => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], mut i: usize) -> usize {
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 2,
            b'"' => return i + 1,
            _ => i += 1,
        }
    }
    bytes.len()
}

fn raw_string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let hashes = bytes[from + 1..].iter().take_while(|byte| **byte == b'#').count();
    let open = from + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let inside = open + 1;
    let length = bytes[inside..].windows(close.len()).position(|window| window == close);
    Some(length.map_or(bytes.len(), |length| inside + length + close.len()))
}

/// The end of a character literal; `None` for a lifetime.
fn char_end(bytes: &[u8], from: usize) -> Option<usize> {
    if bytes.get(from + 1) == Some(&b'\\') {
        let close = bytes.get(from + 3..)?.iter().position(|byte| *byte == b'\'')?;
        return Some(from + 3 + close + 1);
    }
    let width = match bytes.get(from + 1)? {
        0x00..0x80 => 1,
        0x80..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    };
    (bytes.get(from + 1 + width) == Some(&b'\'')).then_some(from + width + 2)
}

/// The places of `word` in `code` where it stands alone, as (line, offset behind it).
pub(crate) fn places_of(code: &str, word: &str) -> Vec<(usize, usize)> {
    let bytes = code.as_bytes();
    let part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let first_is_part = part(word.as_bytes().first());
    let last_is_part = part(word.as_bytes().last());
    let found = code.match_indices(word).filter(|(at, _)| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        !(first_is_part && part(before) || last_is_part && part(bytes.get(at + word.len())))
    });
    found.map(|(at, _)| (line_of(code, at), at + word.len())).collect()
}

/// The number of the line of an offset, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[test]
fn only_code_is_left() {
    let code = without_comments_and_literals(
        "a /* b /* c */ d */ e // f\ng \"h \\\" i\" j r#\"k \" l\"# m 'n' o '\\'' p 'q, r: &'s t",
    );
    let left: Vec<_> = code.split_whitespace().collect();
    assert_eq!(left, ["a", "e", "g", "j", "m", "o", "p", "'q,", "r:", "&'s", "t"]);
    assert_eq!(code.lines().count(), 2);
}

#[test]
fn words_stand_alone() {
    assert_eq!(places_of("tokio\nmytokio tokio_x tokio::x", "tokio").len(), 2);
    assert_eq!(places_of("a\nsleep(1) my_sleep(2)", "sleep("), [(2, 8)]);
}
