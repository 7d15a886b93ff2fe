-- Schema 1: the rows of every table, and the count of commits. See docs/formats/embedded-store.md.
-- With a rowid, though the key is the primary key: rows of a kilobyte would leave room for few keys in a page.
CREATE TABLE row (
    tbl      INTEGER NOT NULL,
    key      BLOB    NOT NULL,
    value    BLOB    NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (tbl, key)
) STRICT;

CREATE TABLE head (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    revision INTEGER NOT NULL
) STRICT;

INSERT INTO head (one, revision) VALUES (1, 0);
