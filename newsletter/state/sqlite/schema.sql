-- The state file, version 2. It only grows: what was announced is never taken back.
-- Times are ISO 8601 in UTC, to the second.

create table keywords (                -- one row a keyword that has been answered for
    name       text primary key,
    definition text not null,          -- the keyword as JSON, as of the last good answer
    since      text not null,          -- where the first window opened
    last_good  text not null,          -- when the last trustworthy answer came
    last_sweep text not null           -- when the window last reached back 90 days
) strict, without rowid;

create table held (                    -- a surge that waits for a second answer to confirm it
    keyword text primary key,
    since   text not null
) strict, without rowid;

create table issues (
    number  integer primary key,
    date    text not null,             -- the date people see
    opened  text not null,
    weekly  integer not null,          -- 1: weekly subscribers got their edition with this one
    settled integer not null default 0 -- 1: nothing of it is outstanding, and never will be
) strict;

create table digests (                 -- what an issue says of each keyword
    issue      integer not null references issues,
    position   integer not null,
    keyword    text not null,
    definition text not null,
    source     text not null,          -- what people call where it was looked for
    outcome    text not null,
    listed     integer not null,
    since      text,
    reason     text not null,
    left_out   text not null default '{}',  -- JSON: how many papers each exclusion left out
    primary key (issue, position)
) strict, without rowid;

-- Its rows have ids: without, what is longer than a quarter of a page spills over into one of its own.
create table papers (                  -- papers as they were when announced or recorded
    id      text not null,             -- with its source's scheme, without a version
    version integer not null,
    data    text not null,             -- the paper as JSON
    primary key (id, version)
) strict;

create index papers_by_date on papers (data ->> 'updated');

create table lacking (                 -- papers recorded before their data were kept: to be fetched
    paper text primary key,
    asked integer not null default 0   -- how many good answers did not have it
) strict, without rowid;

-- Where rows are written by the thousand, a check names its values one by one: for a list of more
-- than two behind `in` SQLite makes a table, anew for each row, which took longer than the row.
create table announced (               -- the ledger of what is no longer news
    keyword   text not null,
    paper     text not null,
    version   integer not null,
    submitted text not null,           -- of v1
    kind      text not null check (
        kind = 'new' or kind = 'baseline' or kind = 'left-out' or kind = 'replacement'),
    excluded_by text,                  -- the exclusion that left it out
    replaces  integer,
    issue     integer references issues,  -- null for a baseline, and for what was left out
    position  integer,                 -- in its digest
    recorded  text not null,           -- when it became known: by its issue, or the baseline
    primary key (keyword, paper, version)
) strict, without rowid;
create index announced_by_issue on announced (issue, keyword, position) where issue is not null;
create index announced_by_date on announced (keyword, submitted);

create table past (                    -- what the archive has looked up: neither announced nor known
    keyword   text not null,
    paper     text not null,
    version   integer not null,
    submitted text not null,           -- of v1
    recorded  text not null,
    primary key (keyword, paper)
) strict, without rowid;

create table looked_up (               -- months that were looked up whole, for what a keyword meant
    keyword    text not null,
    month      text not null,          -- 2025-01
    definition text not null,
    primary key (keyword, month)
) strict, without rowid;

create table deliveries (              -- what is owed to whom, and what became of it
    id        integer primary key,
    issue     integer not null references issues,
    after     integer not null,        -- the edition has the news of the issues after this one
    recipient text not null,
    keywords  text not null,           -- JSON list, in the subscriber's order
    format    text not null,
    status    text not null default 'untried' check (
        status = 'accepted' or status = 'sending' or status = 'untried' or status = 'deferred'
        or status = 'unknown' or status = 'rejected' or status = 'suppressed'
        or status = 'expired'),
    attempts  integer not null default 0,
    failures  integer not null default 0,  -- how often composing the message failed
    code      integer not null default 0,
    reply     text not null default '',
    changed   text not null,
    frequency text not null default 'daily',
    abstracts text not null default '',   -- as the newsletter does, where the reader does not say
    unique (issue, recipient, keywords)
) strict;
-- No index on the status: every commit would pay for it, and few issues are not settled. Who was
-- refused lately is looked up twice a run, and hardly anybody is.
create index refused_lately on deliveries (recipient)
    where code >= 500 and status in ('deferred', 'rejected');
create view outstanding as
    select * from deliveries where issue in (select number from issues where not settled)
    and status in ('untried', 'sending', 'deferred', 'unknown');

create view ended as
    select * from deliveries where status in ('accepted', 'rejected', 'suppressed', 'expired');

create table orders (                  -- editions in the order of a reader's own papers
    id        integer primary key,
    issue     integer not null references issues,
    recipient text not null,
    keywords  text not null,           -- as in the delivery
    papers    text not null,           -- JSON: see state/orders.py
    unique (issue, recipient, keywords)
) strict;

create table totals (                  -- the deliveries of old issues, which are only counted
    issue      integer not null references issues,
    status     text not null,
    deliveries integer not null,
    primary key (issue, status)
) strict, without rowid;

create view mailed as                 -- what has left, as far as anybody can tell
    select * from deliveries where status in ('accepted', 'rejected', 'unknown');

create table readers (                 -- the list as the last run saw it
    address     text primary key,
    fingerprint text not null,
    covered     integer                -- the last issue whose news they have had; null: paused
) strict, without rowid;

create table bounces (                 -- what came back: at most one an issue and address
    address text not null,
    issue   integer not null,          -- 0: not known which
    kind    text not null check (kind in ('dead', 'soft', 'ours', 'unknown')),
    reply   text not null,             -- the words of the server
    noted   text not null,
    judged  integer not null default 0,  -- 1: whether to suppress the address is decided
    primary key (address, issue)
) strict, without rowid;
create index bounces_by_issue on bounces (issue);

create table mails_read (              -- so that no mail in the inbox counts twice
    mailbox text not null,
    mail    text not null,
    kind    text not null,             -- what it was taken for
    noted   text not null,
    primary key (mailbox, mail)
) strict, without rowid;

create table runs (
    id       integer primary key,
    started  text not null,
    finished text not null,
    exit     integer not null,
    report   text not null             -- the run report as JSON
) strict;

create table alerts (                  -- when something was last said: see state/runs.py
    trouble text primary key,          -- of the operator's, or "answer" and who was answered, hashed
    told    text not null
) strict, without rowid;
