-- Ids are ULIDs in the 16 bytes of a uuid, whose order is theirs. Times are Unix
-- milliseconds.

-- n is what other tables refer to: half as wide as the id, in a row and in an
-- index.
CREATE TABLE doorward.user (
    n           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          uuid   NOT NULL UNIQUE,
    email       text   NOT NULL,
    email_key   text   NOT NULL UNIQUE,
    name        text   NOT NULL,
    state       text   NOT NULL,
    password    text   NOT NULL,
    created_at  bigint NOT NULL,
    password_at bigint NOT NULL,
    state_at    bigint NOT NULL,
    state_by    text   NOT NULL
);

-- A refresh writes generation, parent, attempt and rotated_at. They are in no
-- index and every page has room for the next version of some of its rows, so
-- that an update stays within the page and touches no index (HOT), and the next
-- one that comes by clears away what it left. The order of the columns leaves no
-- gaps between them.
CREATE TABLE doorward.session (
    owner      bigint NOT NULL REFERENCES doorward.user (n),
    generation bigint NOT NULL,
    created_at bigint NOT NULL,
    rotated_at bigint NOT NULL,
    auth_time  bigint NOT NULL,
    id         uuid   PRIMARY KEY,
    parent     bytea  NOT NULL,
    attempt    bytea  NOT NULL,
    methods    text   NOT NULL, -- RFC 8176 names with a space between
    device     text   NOT NULL,
    network    text   NOT NULL,
    ended_at   bigint,          -- NULL while nobody ended it
    end_reason text,
    end_by     text
) WITH (fillfactor = 90);
CREATE INDEX session_owner ON doorward.session (owner);
CREATE INDEX session_ended ON doorward.session (ended_at) WHERE ended_at IS NOT NULL;

-- Numbers are drawn under a lock that is held until the commit: who has read up
-- to one of them has missed none before it.
CREATE TABLE doorward.revocation (
    seq     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind    text   NOT NULL,
    subject text   NOT NULL,
    at      bigint NOT NULL,
    reason  text   NOT NULL,
    by      text   NOT NULL
);

CREATE TABLE doorward.count (
    key        bytea  PRIMARY KEY,
    failures   bigint NOT NULL,
    since      bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX count_expires ON doorward.count (expires_at);

CREATE TABLE doorward.key (
    id         text   PRIMARY KEY,
    use        text   NOT NULL,
    algorithm  text   NOT NULL,
    sealed     bytea  NOT NULL,
    created_at bigint NOT NULL,
    active_at  bigint NOT NULL
);

CREATE TABLE doorward.apikey (
    id         uuid   PRIMARY KEY,
    name       text   NOT NULL,
    hash       bytea  NOT NULL,
    scopes     text   NOT NULL, -- with a space between
    created_at bigint NOT NULL,
    expires_at bigint,          -- NULL for never
    used_at    bigint,          -- about; NULL for never
    revoked_at bigint,          -- NULL while nobody revoked it
    revoked_by text
);

-- Events outlive the sessions that they speak of, hence no reference.
CREATE TABLE doorward.event (
    id      uuid PRIMARY KEY,
    kind    text NOT NULL,
    owner   uuid,
    session uuid,
    by      text NOT NULL,
    network text NOT NULL,
    detail  text NOT NULL
);
CREATE INDEX event_owner   ON doorward.event (owner, id)   WHERE owner   IS NOT NULL;
CREATE INDEX event_session ON doorward.event (session, id) WHERE session IS NOT NULL;

-- record is the whole denial as JSON; the columns beside it are to find it by.
CREATE TABLE doorward.denial (
    id      text COLLATE "C" PRIMARY KEY,
    at      bigint NOT NULL,
    code    text   NOT NULL,
    owner   text,
    session text,
    record  text   NOT NULL
);
CREATE INDEX denial_code    ON doorward.denial (code, id);
CREATE INDEX denial_owner   ON doorward.denial (owner, id)   WHERE owner   IS NOT NULL;
CREATE INDEX denial_session ON doorward.denial (session, id) WHERE session IS NOT NULL;

CREATE TABLE doorward.flood (
    minute bigint NOT NULL,
    code   text   NOT NULL,
    count  bigint NOT NULL,
    PRIMARY KEY (minute, code)
);

-- The master key, where the nodes are given none; one row at most.
CREATE TABLE doorward.master (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    key text    NOT NULL
);
