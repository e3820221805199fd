-- The state in PostgreSQL, version 1: a schema for each newsletter. The tables are those of the
-- state file (../sqlite/schema.sql, where they are explained) but for what several senders need.
-- Texts compare byte by byte, as they do in the file, whatever the database's language is.

create domain words as text collate "C";

create table about (                   -- one row: whose ledger this is
    newsletter words not null,
    version    integer not null,       -- of this schema
    cluster    words not null,         -- the server's own number: another after a dump was restored
    held       boolean not null default false  -- a backup was restored, and nobody has looked yet
);
create sequence token;                 -- leases are told apart by numbers that only grow

create table leases (                  -- who alone may do something: the daily job
    name  words primary key,
    owner words not null,
    token bigint not null,
    until timestamptz not null
);

create table keywords (
    name       words primary key,
    definition words not null,
    since      words not null,
    last_good  words not null,
    last_sweep words not null
);

create table held (
    keyword words primary key,
    since   words not null
);

create table issues (
    number  integer primary key,
    date    words not null,
    opened  words not null,
    weekly  integer not null,
    settled integer not null default 0
);

create table digests (
    issue      integer not null references issues,
    position   integer not null,
    keyword    words not null,
    definition words not null,
    source     words not null,
    outcome    words not null,
    listed     integer not null,
    since      words,
    reason     words not null,
    left_out   words not null default '{}',
    primary key (issue, position)
);

create table papers (
    id      words not null,
    version integer not null,
    data    json not null,
    primary key (id, version)
);

create table lacking (
    paper words primary key,
    asked integer not null default 0
);

create table announced (
    keyword   words not null,
    paper     words not null,
    version   integer not null,
    submitted words not null,
    kind      words not null check (kind in ('baseline', 'left-out', 'new', 'replacement')),
    excluded_by words,
    replaces  integer,
    issue     integer references issues,
    position  integer,
    recorded  words not null,
    primary key (keyword, paper, version)
);
create index announced_by_issue on announced (issue, keyword, position) where issue is not null;
create index announced_by_date on announced (keyword, submitted);

create table past (
    keyword   words not null,
    paper     words not null,
    version   integer not null,
    submitted words not null,
    recorded  words not null,
    primary key (keyword, paper)
);

create table looked_up (
    keyword    words not null,
    month      words not null,
    definition words not null,
    primary key (keyword, month)
);

create table parcels (                 -- up to 1,000 deliveries that one sender leases at a time
    id    bigint primary key,
    issue integer not null references issues,
    size  integer not null,            -- how many deliveries
    late  boolean not null,            -- of people who were refused lately
    refused boolean not null default false,  -- some were refused, and some of those still wait
    held  boolean not null default false,    -- until a person says that it may go out
    done  boolean not null default false,
    due   timestamptz not null default clock_timestamp(),
    owner words not null default '',
    token bigint not null default 0,
    until timestamptz                  -- null: nobody's
) with (fillfactor = 50);
create index parcels_open on parcels (id) where not done;
create index parcels_of_issues on parcels (issue);

-- No index on anything that changes, and room on each page: an outcome is written beside what was
-- there (HOT), and no index learns of it.
create table deliveries (
    parcel    bigint not null,
    id        bigint generated always as identity,
    issue     integer not null,
    after     integer not null,
    recipient words not null,
    keywords  words not null,
    format    words not null,
    status    words not null default 'untried',
    attempts  integer not null default 0,
    failures  integer not null default 0,
    code      integer not null default 0,
    reply     words not null default '',
    changed   words not null,
    frequency words not null default 'daily',
    abstracts words not null default '',
    token     bigint not null default 0, -- of the lease under which it was last under way
    primary key (parcel, id)
) with (fillfactor = 50, autovacuum_vacuum_insert_scale_factor = 0.5);
create index deliveries_by_recipient on deliveries (recipient);

create view outstanding as
    select deliveries.* from parcels join deliveries on parcel = parcels.id
    where not done and status in ('untried', 'sending', 'deferred', 'unknown');

create view ended as
    select * from deliveries where status in ('accepted', 'rejected', 'suppressed', 'expired');

create table orders (
    issue     integer not null references issues,
    recipient words not null,
    keywords  words not null,
    papers    words not null,
    primary key (issue, recipient, keywords)
);

create table totals (
    issue      integer not null references issues,
    status     words not null,
    deliveries integer not null,
    primary key (issue, status)
);

create view mailed as
    select * from deliveries where status in ('accepted', 'rejected', 'unknown');

create table readers (
    address     words primary key,
    fingerprint words not null,
    covered     integer
);

create table suppressions (            -- a copy of the file, and who left since at another machine
    id      bigint generated always as identity primary key,  -- grows with every change
    address words not null unique,     -- as addresses are compared
    reason  words not null,            -- empty: lifted
    detail  words not null,
    since   words not null,
    filed   boolean not null           -- false: the next run writes it into the file
);

create table bounces (
    address words not null,
    issue   integer not null,
    kind    words not null check (kind in ('dead', 'soft', 'ours', 'unknown')),
    reply   words not null,
    noted   words not null,
    judged  integer not null default 0,
    primary key (address, issue)
);
create index bounces_by_issue on bounces (issue);

create table mails_read (
    mailbox words not null,
    mail    words not null,
    kind    words not null,
    noted   words not null,
    primary key (mailbox, mail)
);

create table runs (
    id       bigint generated always as identity primary key,
    started  words not null,
    finished words not null,
    exit     integer not null,
    report   words not null
);

create table alerts (
    trouble words primary key,
    told    words not null
);

create table senders (                 -- who works on parcels, for people to look at
    name     words primary key,        -- host and process
    version  words not null,           -- of the program
    pool     words not null,
    began    timestamptz not null,
    seen     timestamptz not null,
    accepted bigint not null default 0,
    per_minute double precision not null default 0  -- how many were accepted lately
);

create table rates (                   -- when the next mail of a relay may leave, whoever sends it
    pool words primary key,
    next timestamptz not null
);

-- What the questions of the books call by the names that SQLite has for it.
create function json_each(data json, path text) returns table (value text)
    language sql immutable as $$
        select json_array_elements_text(
            case path when '$' then data else data -> substr(path, 3) end)
    $$;
create function instr(whole text, part text) returns integer
    language sql immutable as $$ select strpos(whole, part) $$;
create aggregate json_group_array(text) (
    sfunc = array_append, stype = text[], initcond = '{}', finalfunc = array_to_json
);

-- What a sender says in one commit: what became of its last mails, and which are to leave next. It
-- returns the number of the newest suppression, and after it whom it has granted. A function, since
-- its plans are kept by the connection, which PgBouncer may hand to anybody. They may be made while
-- there are few rows, and must do for millions: no table is ever read whole. They are made once:
-- short arrays would be planned for anew each time, which takes as long as the turn itself.
create function turn(
        parcels bigint[], ids bigint[], attempts integer[], statuses text[], codes integer[],
        replies text[], to_parcels bigint[], to_ids bigint[], to_attempts integer[],
        lease bigint, moment text)
    returns bigint[] language plpgsql
    set search_path from current
    set plan_cache_mode = force_generic_plan
    set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
    #variable_conflict use_column
    declare granted bigint[];
    begin
        update deliveries set status = x.status, code = x.code, reply = x.reply, changed = moment
        from unnest(turn.parcels, ids, turn.attempts, statuses, codes, replies)
            as x(parcel, id, tries, status, code, reply)
        where deliveries.parcel = x.parcel and deliveries.id = x.id
            and deliveries.attempts = x.tries
            and deliveries.status in ('untried', 'sending', 'deferred', 'unknown');
        with found as (
            update deliveries
            set status = 'sending', attempts = x.tries + 1, token = lease, changed = moment
            from unnest(to_parcels, to_ids, to_attempts) as x(parcel, id, tries)
            where deliveries.parcel = x.parcel and deliveries.id = x.id
                and ((deliveries.status in ('untried', 'deferred', 'unknown')
                        and deliveries.attempts = x.tries)
                    or (deliveries.status = 'sending' and deliveries.attempts = x.tries + 1
                        and deliveries.token = lease))
                and exists (select 1 from parcels where parcels.id = x.parcel
                    and parcels.token = lease and until > clock_timestamp())
            returning deliveries.id)
        select array_agg(found.id) into granted from found;
        return (select coalesce(max(suppressions.id), 0) from suppressions) || granted;
    end $$;
