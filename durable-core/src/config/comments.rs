//! JSON as people write it by hand: with comments and with commas too many.

/// The text with each comment, and each comma before a closing bracket, replaced by spaces, so that every line and column
/// stays where it was. What stands in strings stays; a comment without an end reaches to the end of the text.
pub(super) fn blank_out(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let mut comma = None;
    while let Some(&byte) = rest.first() {
        let comment = comment_length(rest);
        if comment > 0 {
            let blank = |byte: &u8| if matches!(byte, b'\n' | b'\r') { *byte } else { b' ' };
            out.extend(rest[..comment].iter().map(blank));
            rest = &rest[comment..];
            continue;
        }
        let length = if byte == b'"' { string_length(rest) } else { 1 };
        match byte {
            b',' => comma = Some(out.len()),
            b'}' | b']' => {
                if let Some(at) = comma.take() {
                    out[at] = b' ';
                }
            }
            byte if byte.is_ascii_whitespace() => {}
            _ => comma = None,
        }
        out.extend(&rest[..length]);
        rest = &rest[length..];
    }
    // Only whole comments and single bytes of ASCII were replaced, by ASCII.
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// The bytes of the comment that the text starts with, without the end of its line.
fn comment_length(text: &[u8]) -> usize {
    if text.starts_with(b"//") {
        return text.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(text.len());
    }
    if text.starts_with(b"/*") {
        return text[2..].windows(2).position(|pair| pair == b"*/").map_or(text.len(), |at| at + 4);
    }
    0
}

/// The bytes of the string that the text starts with, both quotes included.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    for (i, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return i + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_become_spaces() {
        assert_eq!(blank_out("{ // a, b\r\n\"x\": /* é\n*/ 1 }"), "{        \r\n\"x\":      \n   1 }");
        assert_eq!(blank_out("1 //"), "1   ");
        assert_eq!(blank_out("1 /* open \n"), "1         \n");
        assert_eq!(blank_out("/*/ still */ 1"), "             1");
    }

    #[test]
    fn strings_stay() {
        for text in [r#"{"a": "// no /* comment */ ,}"}"#, r#"["\"// in", "\\"]"#, "\"open // string", "\"é\\\""] {
            assert_eq!(blank_out(text), text);
        }
        assert_eq!(blank_out(r#"["\\"//x"#), r#"["\\"   "#);
    }

    #[test]
    fn commas_before_a_closing_bracket_go() {
        assert_eq!(blank_out("[1, 2, ]"), "[1, 2  ]");
        assert_eq!(blank_out("{\"a\": [1,],\n}"), "{\"a\": [1 ] \n}");
        assert_eq!(blank_out("[1, // last\n]"), "[1         \n]");
        assert_eq!(blank_out("[1,,]"), "[1, ]", "one comma too many is still a mistake");
        assert_eq!(blank_out("[1, 2]"), "[1, 2]");
    }
}
