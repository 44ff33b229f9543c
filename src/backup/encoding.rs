//! Text in a database's own encoding, as dumps carry it.

use encoding_rs::Encoding;

/// Decodes `bytes` that are in PostgreSQL's encoding `name` (`UTF8`, `LATIN1`, `WIN1251`, …).
///
/// `SQL_ASCII`, `MULE_INTERNAL` and unknown names are read as UTF-8 with replacement characters:
/// PostgreSQL itself gives such bytes no meaning.
pub(crate) fn decode(bytes: &[u8], name: &str) -> String {
    match rust_encoding(name) {
        // The web's "latin1" is windows-1252, PostgreSQL's is ISO 8859-1: 0x80–0x9f are controls.
        Some(encoding) if is_latin1(name) => {
            debug_assert_eq!(encoding, encoding_rs::WINDOWS_1252);
            bytes.iter().copied().map(char::from).collect()
        }
        Some(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn is_latin1(name: &str) -> bool {
    matches!(plain_name(name).as_str(), "LATIN1" | "ISO88591")
}

fn plain_name(name: &str) -> String {
    name.to_ascii_uppercase().chars().filter(char::is_ascii_alphanumeric).collect()
}

/// PostgreSQL's names: table "PostgreSQL Character Sets" of its manual (`charset.html`).
fn rust_encoding(name: &str) -> Option<&'static Encoding> {
    let label = match plain_name(name).as_str() {
        "UTF8" | "UNICODE" => "utf-8",
        "LATIN1" | "ISO88591" | "WIN1252" => "windows-1252",
        "LATIN2" | "ISO88592" => "iso-8859-2",
        "LATIN3" | "ISO88593" => "iso-8859-3",
        "LATIN4" | "ISO88594" => "iso-8859-4",
        "LATIN5" | "ISO88599" | "WIN1254" => "windows-1254",
        "LATIN6" | "ISO885910" => "iso-8859-10",
        "LATIN7" | "ISO885913" => "iso-8859-13",
        "LATIN8" | "ISO885914" => "iso-8859-14",
        "LATIN9" | "ISO885915" => "iso-8859-15",
        "LATIN10" | "ISO885916" => "iso-8859-16",
        "ISO88595" => "iso-8859-5",
        "ISO88596" => "iso-8859-6",
        "ISO88597" => "iso-8859-7",
        "ISO88598" => "iso-8859-8",
        "KOI8R" | "KOI8" => "koi8-r",
        "KOI8U" => "koi8-u",
        "WIN866" => "ibm866",
        "WIN874" => "windows-874",
        "WIN1250" => "windows-1250",
        "WIN1251" => "windows-1251",
        "WIN1253" => "windows-1253",
        "WIN1255" => "windows-1255",
        "WIN1256" => "windows-1256",
        "WIN1257" => "windows-1257",
        "WIN1258" => "windows-1258",
        "EUCJP" | "EUCJIS2004" => "euc-jp",
        "EUCCN" | "GBK" => "gbk",
        "EUCKR" | "UHC" => "euc-kr",
        "BIG5" => "big5",
        "SJIS" | "SHIFTJIS2004" => "shift_jis",
        "GB18030" => "gb18030",
        _ => return None,
    };
    Encoding::for_label(label.as_bytes())
}

/// Whether PostgreSQL knows an encoding of this name (`pg_encname_tbl` in `src/common/encnames.c`):
/// its own names, and the other ones that it takes for them.
pub(crate) fn is_known(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    let plain = plain_name(name);
    rust_encoding(name).is_some()
        || matches!(
            plain.as_str(),
            "SQLASCII" | "MULEINTERNAL" | "EUCTW" | "JOHAB" | "ABC" | "ALT" | "WIN" | "TCVN"
        )
        || matches!(
            plain.as_str(),
            "TCVN5712"
                | "VSCII"
                | "MSKANJI"
                | "SHIFTJIS"
                | "WIN932"
                | "WIN936"
                | "WIN949"
                | "WIN950"
        )
        || plain.strip_prefix("WINDOWS").is_some_and(|page| {
            matches!(page, "866" | "874" | "932" | "936" | "949" | "950")
                || page.len() == 4 && page.starts_with("125") && !page.ends_with('9')
        })
}

#[cfg(test)]
mod tests {
    use super::{decode, is_known};

    #[test]
    fn the_encodings_of_postgresql_are_known() {
        let all = "SQL_ASCII EUC_JP EUC_CN EUC_KR EUC_TW EUC_JIS_2004 UTF8 MULE_INTERNAL LATIN1 LATIN2 \
            LATIN3 LATIN4 LATIN5 LATIN6 LATIN7 LATIN8 LATIN9 LATIN10 WIN1256 WIN1258 WIN866 WIN874 KOI8R \
            WIN1251 WIN1252 ISO_8859_5 ISO_8859_6 ISO_8859_7 ISO_8859_8 WIN1250 WIN1253 WIN1254 WIN1255 \
            WIN1257 KOI8U SJIS BIG5 GBK UHC GB18030 JOHAB SHIFT_JIS_2004 unicode windows-1252 mskanji";
        for name in all.split(' ').filter(|name| !name.is_empty()) {
            assert!(is_known(name.as_bytes()), "{name}");
        }
        for name in ["UTF9", "", "LATIN11", "WIN1259", "windows1259", "KOI8X"] {
            assert!(!is_known(name.as_bytes()), "{name}");
        }
        assert!(!is_known(b"UTF8\xff"));
    }

    #[test]
    fn bytes_are_read_in_the_encoding_the_dump_names() {
        assert_eq!(decode(b"Stra\xdfe", "LATIN1"), "Straße");
        assert_eq!(decode(b"\x9f", "LATIN1"), "\u{9f}");
        assert_eq!(decode(b"\x9f", "WIN1252"), "Ÿ");
        assert_eq!(decode("Straße".as_bytes(), "UTF8"), "Straße");
        assert_eq!(decode(b"\xcf\xf0", "WIN1251"), "Пр");
        assert_eq!(decode(b"a\xffb", "SQL_ASCII"), "a\u{fffd}b");
    }
}
