//! A write-ahead log without its database: acknowledged writes, which must not be lost.

use std::fs;
use stores::{OpenError, Sqlite, SqliteUrl};

const TABLE: &str = "CREATE TABLE t (x INTEGER) STRICT";

#[tokio::test]
async fn a_log_whose_database_is_gone_or_empty_is_kept_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let copy = folder.path().join("b.db");
    let store = Sqlite::open(&SqliteUrl::file(&path), &[TABLE])
        .await
        .unwrap();
    // As after a crash: a store that is closed leaves no log.
    let log = fs::read(folder.path().join("a.db-wal")).unwrap();
    assert!(!log.is_empty());
    store.close().await;
    let kept = folder.path().join("b.db-wal");
    for is_empty in [false, true] {
        fs::write(&kept, &log).unwrap();
        if is_empty {
            fs::write(&copy, "").unwrap();
        }
        let refused = Sqlite::open(&SqliteUrl::file(&copy), &[TABLE]).await;
        assert!(
            matches!(&refused, Err(OpenError::LogOnly(path)) if *path == kept),
            "{refused:?}"
        );
        assert_eq!(fs::read(&kept).unwrap(), log);
    }
}
