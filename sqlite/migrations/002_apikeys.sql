-- What an operator is told of an ending, wherever it is met.
ALTER TABLE revocation ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE revocation ADD COLUMN by     TEXT NOT NULL DEFAULT '';

CREATE TABLE apikey (
    id         BLOB    PRIMARY KEY CHECK (length(id) = 16),
    name       TEXT    NOT NULL,
    hash       BLOB    NOT NULL CHECK (length(hash) = 32),
    scopes     TEXT    NOT NULL, -- with a space between
    created_at INTEGER NOT NULL,
    expires_at INTEGER,          -- NULL for never
    used_at    INTEGER,          -- about; NULL for never
    revoked_at INTEGER,          -- NULL while nobody revoked it
    revoked_by TEXT
) STRICT, WITHOUT ROWID;
