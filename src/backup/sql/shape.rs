//! The columns of a table as a definition lists them, part by part.

use super::canonical::{of_token, of_tokens};
use super::tokens::{Kind, Token, Tokens};

/// A column of a `CREATE TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnShape {
    /// Its name.
    pub(crate) name: String,
    /// Its type with modifiers.
    pub(crate) type_name: String,
    /// Whether it refuses NULL.
    pub(crate) is_not_null: bool,
    /// Its default or its generating expression.
    pub(crate) default: Option<String>,
}

/// What a `CREATE TABLE` lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TableShape {
    /// In their order.
    pub(crate) columns: Vec<ColumnShape>,
    /// Names of the constraints.
    pub(crate) constraints: Vec<String>,
    /// Whether it inherits: a restore puts the columns of its parents first.
    pub(crate) inherits: bool,
}

/// Reads the first `CREATE TABLE` of a definition; `None` where there is none that lists columns.
pub(crate) fn table_shape(definition: &str) -> Option<TableShape> {
    let (elements, rest) = elements(definition)?;
    let inherits = rest.iter().any(|token| token.is("inherits"));
    let mut shape = TableShape { inherits, ..TableShape::default() };
    for element in &elements {
        shape.add(element);
    }
    Some(shape)
}

/// The canonical form of a `CREATE TABLE … INHERITS`, whose columns a restore puts into another order;
/// `None` for every other statement.
pub(super) fn of_child(statement: &str) -> Option<String> {
    let (elements, rest) = elements(statement)?;
    if !rest.iter().any(|token| token.is("inherits")) {
        return None;
    }
    let mut texts: Vec<String> =
        elements.iter().map(|element| of_tokens(element.iter().copied())).collect();
    texts.sort();
    let before = Tokens::new(statement.as_bytes()).take_while(|token| !token.is_byte(b'('));
    Some(format!("{}{}{}", of_tokens(before), texts.join(", "), of_tokens(rest.into_iter())))
}

/// What the list of a `CREATE TABLE` holds, and what stands behind it.
fn elements(definition: &str) -> Option<(Vec<Vec<Token<'_>>>, Vec<Token<'_>>)> {
    let mut tokens = Tokens::new(definition.as_bytes()).skip_while(|token| !token.is("create"));
    tokens.next()?;
    tokens.find(|token| token.is("table"))?;
    let mut at_list = tokens.skip_while(|token| {
        matches!(token.kind, Kind::Word | Kind::Quoted) && !token.is_any(&["of", "partition"])
            || token.is_byte(b'.')
    });
    if !at_list.next()?.is_byte(b'(') {
        return None;
    }
    let (mut elements, mut element) = (Vec::new(), Vec::new());
    let mut depth = 0_usize;
    while let Some(token) = at_list.next() {
        let is_end = depth == 0 && token.is_byte(b')');
        if is_end || depth == 0 && token.is_byte(b',') {
            elements.push(std::mem::take(&mut element));
            if is_end {
                return Some((elements, at_list.collect()));
            }
            continue;
        }
        if token.is_byte(b'(') {
            depth += 1;
        } else if token.is_byte(b')') {
            depth = depth.saturating_sub(1);
        }
        element.push(token);
    }
    None
}

impl TableShape {
    fn add(&mut self, element: &[Token<'_>]) {
        let Some((first, rest)) = element.split_first() else { return };
        if first.is("constraint") {
            self.constraints.extend(rest.first().and_then(|name| name.name("UTF8")));
            return;
        }
        // Columns of these names are quoted.
        if first.is_any(&["check", "primary", "unique", "foreign", "exclude", "like"]) {
            return;
        }
        let Some(name) = first.name("UTF8") else { return };
        let words = ["default", "generated", "not", "collate", "constraint", "with", "options"];
        let ends_type = |index: usize| {
            let token = rest.get(index)?;
            // `timestamp with time zone`
            let is_zone =
                token.is("with") && rest.get(index + 1).is_some_and(|next| next.is("time"));
            Some(token.is_any(&words) && !is_zone)
        };
        let end =
            (0..rest.len()).find(|&index| ends_type(index) == Some(true)).unwrap_or(rest.len());
        let (of_type, more) = rest.split_at(end);
        let text = |tokens: &[Token<'_>]| tokens.iter().map(of_token).collect::<Vec<_>>().join(" ");
        let is_null_word =
            |pair: &[Token<'_>]| matches!(pair, [a, b] if a.is("not") && b.is("null"));
        let default = more.iter().position(|token| token.is_any(&["default", "generated"]));
        self.columns.push(ColumnShape {
            name,
            type_name: text(of_type),
            is_not_null: more.windows(2).any(is_null_word),
            default: default.and_then(|at| more.get(at..)).map(|tokens| {
                of_tokens(tokens.iter().copied()).trim_end_matches("not null ").to_owned()
            }),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::table_shape;

    #[test]
    fn columns_are_read_part_by_part() {
        let shape = table_shape(
            "CREATE UNLOGGED TABLE \"My\".\"T t\" (\n    id bigint NOT NULL,\n    at timestamp(3) with time zone DEFAULT now() NOT NULL,\n    \
             n numeric(10,2) COLLATE x,\n    \"constraint\" text GENERATED ALWAYS AS (lower(a)) STORED,\n    CONSTRAINT c CHECK ((id > 0))\n)\nPARTITION BY RANGE (id);",
        )
        .unwrap();
        let names: Vec<_> = shape.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["id", "at", "n", "constraint"]);
        assert_eq!(shape.constraints, ["c"]);
        assert_eq!(shape.columns[1].type_name, "timestamp ( 3 ) with time zone");
        assert!(shape.columns[0].is_not_null && shape.columns[1].is_not_null);
        assert!(shape.columns[1].default.is_some() && shape.columns[3].default.is_some());
        assert_eq!(shape.columns[2].type_name, "numeric ( 10 , 2 )");
        assert_eq!(table_shape("CREATE TABLE a OF b;"), None);
        assert_eq!(table_shape("CREATE VIEW a AS SELECT 1;"), None);
    }
}
