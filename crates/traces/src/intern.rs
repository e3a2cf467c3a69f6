//! Each distinct name is kept once, however many spans carry it.

use std::{collections::HashSet, sync::Arc};

/// Beyond this many names, new ones are kept but no longer shared: spans of a system
/// that puts identifiers into names must not fill the table without end.
const MOST: usize = 65_536;

/// The table of names.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<Arc<str>>);

impl Names {
    /// The one copy of `name`.
    pub(crate) fn get(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(name);
        if self.0.len() < MOST {
            self.0.insert(Arc::clone(&new));
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_one_copy_and_the_table_has_an_end() {
        let mut names = Names::default();
        assert!(Arc::ptr_eq(&names.get("auth"), &names.get("auth")));
        for i in 0..MOST + 10 {
            assert_eq!(&*names.get(&i.to_string()), i.to_string());
        }
        assert_eq!(names.0.len(), MOST);
    }
}
