-- 'DWRD': tells this database from another program's.
PRAGMA application_id = 0x44575244;

-- Ids are the 16 bytes of a ULID, times are Unix milliseconds.

-- n is what other tables refer to: 3 bytes in a row and in an index where the
-- id takes 16, and found without comparing bytes.
CREATE TABLE user (
    n           INTEGER PRIMARY KEY,
    id          BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    email       TEXT    NOT NULL,
    email_key   TEXT    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    password    TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    password_at INTEGER NOT NULL,
    state_at    INTEGER NOT NULL,
    state_by    TEXT    NOT NULL
) STRICT;

-- A refresh writes generation, parent, attempt and rotated_at. They are in no
-- index, and of the same length before and after: the row is overwritten where
-- it stands.
CREATE TABLE session (
    id         BLOB    PRIMARY KEY CHECK (length(id) = 16),
    user       INTEGER NOT NULL REFERENCES user,
    generation INTEGER NOT NULL,
    parent     BLOB    NOT NULL,
    attempt    BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    rotated_at INTEGER NOT NULL,
    auth_time  INTEGER NOT NULL,
    methods    TEXT    NOT NULL, -- RFC 8176 names with a space between
    device     TEXT    NOT NULL,
    network    TEXT    NOT NULL,
    ended_at   INTEGER,          -- NULL while nobody ended it
    end_reason TEXT,
    end_by     TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX session_user  ON session (user);
CREATE INDEX session_ended ON session (ended_at) WHERE ended_at IS NOT NULL;

-- AUTOINCREMENT: a number that was purged never comes back, so nobody who
-- follows the log takes a new entry for one that is known.
CREATE TABLE revocation (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    at      INTEGER NOT NULL
) STRICT;

CREATE TABLE count (
    key        BLOB    PRIMARY KEY CHECK (length(key) = 16),
    failures   INTEGER NOT NULL,
    since      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX count_expires ON count (expires_at);

CREATE TABLE key (
    id         TEXT    PRIMARY KEY,
    use        TEXT    NOT NULL,
    algorithm  TEXT    NOT NULL,
    sealed     BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    active_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Events outlive the sessions that they speak of, hence no reference.
CREATE TABLE event (
    id      BLOB PRIMARY KEY CHECK (length(id) = 16),
    kind    TEXT NOT NULL,
    user    BLOB,
    session BLOB,
    by      TEXT NOT NULL,
    network TEXT NOT NULL,
    detail  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX event_user    ON event (user)    WHERE user    IS NOT NULL;
CREATE INDEX event_session ON event (session) WHERE session IS NOT NULL;

-- record is the whole denial as JSON; the columns beside it are to find it by.
-- n counts them in the order of writing: how many there are, and which of them
-- are the oldest, is known without a look at the rest.
CREATE TABLE denial (
    n       INTEGER PRIMARY KEY,
    id      TEXT    NOT NULL UNIQUE,
    at      INTEGER NOT NULL,
    code    TEXT    NOT NULL,
    user    TEXT,
    session TEXT,
    record  TEXT    NOT NULL
) STRICT;
CREATE INDEX denial_code    ON denial (code, id);
CREATE INDEX denial_user    ON denial (user, id)    WHERE user    IS NOT NULL;
CREATE INDEX denial_session ON denial (session, id) WHERE session IS NOT NULL;

CREATE TABLE flood (
    minute INTEGER NOT NULL,
    code   TEXT    NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (minute, code)
) STRICT, WITHOUT ROWID;
