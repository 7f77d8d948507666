//! Rows for one statement, as one array for each column.

/// Makes a type for rows of which a statement takes as many as there are, with `unnest`.
macro_rules! columns {
    ($(#[$doc:meta])* $name:ident $(<$life:lifetime>)? { $($column:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(in super::super) struct $name $(<$life>)? { $($column: Vec<$type>,)* len: usize }

        impl $(<$life>)? $name $(<$life>)? {
            pub(in super::super) fn push(&mut self, ($($column,)*): ($($type,)*)) {
                $(self.$column.push($column);)*
                self.len += 1;
            }

            /// The statement with these rows, unless there are none.
            pub(in super::super) fn step<'s>(&'s self, sql: &'static str, steps: &mut Vec<Step<'s>>) {
                if self.len > 0 {
                    steps.push(Step { sql, params: vec![$(&self.$column),*] });
                }
            }
        }
    };
}
pub(super) use columns;
