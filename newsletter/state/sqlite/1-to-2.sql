-- From version 1 to 2. Version 1 knew no source but arXiv, and papers by arXiv's ids alone; what an
-- id stood for then, and where its papers stand, is written down here as it was and never changes.

create table papers_2 (
    id      text not null,
    version integer not null,
    data    text not null,
    primary key (id, version)
) strict;
insert into papers_2
    select 'arxiv:' || arxiv_id, version, json_remove(json_set(data,
        '$.id', 'arxiv:' || arxiv_id,
        '$.source', 'arXiv',
        '$.links', json(iif(
            arxiv_id like '____.%' and substr(arxiv_id, 1, 4) between '2312' and '9912',
            json_array(
                json_object('label', 'Abstract', 'url', 'https://arxiv.org/abs/' || arxiv_id),
                json_object('label', 'PDF', 'url', 'https://arxiv.org/pdf/' || arxiv_id),
                json_object('label', 'HTML', 'url', 'https://arxiv.org/html/' || arxiv_id),
                json_object('label', 'BibTeX', 'url', 'https://arxiv.org/bibtex/' || arxiv_id)),
            json_array(
                json_object('label', 'Abstract', 'url', 'https://arxiv.org/abs/' || arxiv_id),
                json_object('label', 'PDF', 'url', 'https://arxiv.org/pdf/' || arxiv_id),
                json_object('label', 'BibTeX', 'url', 'https://arxiv.org/bibtex/' || arxiv_id))))
        ), '$.arxiv_id')
    from papers;
drop table papers;
alter table papers_2 rename to papers;
create index papers_by_date on papers (data ->> 'updated');

-- When a baseline was taken is in the reports of the runs, which are kept for a year; else it was 90
-- days after its window opened, unless the configured lookback was longer than that.
create table announced_2 (
    keyword   text not null,
    paper     text not null,
    version   integer not null,
    submitted text not null,
    kind      text not null check (
        kind = 'new' or kind = 'baseline' or kind = 'left-out' or kind = 'replacement'),
    excluded_by text,
    replaces  integer,
    issue     integer references issues,
    position  integer,
    recorded  text not null,
    primary key (keyword, paper, version)
) strict, without rowid;
with baselines as materialized (
    select json_extract(value, '$.name') as keyword, started
    from runs, json_each(report, '$.keywords')
    where json_extract(value, '$.outcome') = 'baseline'
)
insert into announced_2
    select keyword, 'arxiv:' || arxiv_id, version, submitted, kind, null, replaces, issue, position,
        coalesce(
            (select opened from issues where number = issue),
            (select min(started) from baselines
                where baselines.keyword = announced.keyword and started >= submitted),
            (select max(submitted, min(last_good, strftime('%Y-%m-%dT%H:%M:%SZ', since, '+90 days')))
                from keywords where name = keyword),
            submitted)
    from announced;
drop table announced;
alter table announced_2 rename to announced;
create index announced_by_issue on announced (issue, keyword, position) where issue is not null;
create index announced_by_date on announced (keyword, submitted);

alter table digests rename to digests_1;
create table digests (
    issue      integer not null references issues,
    position   integer not null,
    keyword    text not null,
    definition text not null,
    source     text not null,
    outcome    text not null,
    listed     integer not null,
    since      text,
    reason     text not null,
    left_out   text not null default '{}',
    primary key (issue, position)
) strict, without rowid;
insert into digests
    select issue, position, keyword, definition, 'arXiv', outcome, listed, since, reason, '{}'
    from digests_1;
drop table digests_1;

-- Version 1 kept no data of what a baseline recorded.
create table lacking (
    paper text primary key,
    asked integer not null default 0
) strict, without rowid;
insert into lacking (paper)
    select distinct paper from announced where paper not in (select id from papers);

-- The views stand on the old table, and would keep the new one from taking its name.
drop view outstanding;
drop view ended;
drop view mailed;
create table deliveries_2 (
    id        integer primary key,
    issue     integer not null references issues,
    after     integer not null,
    recipient text not null,
    keywords  text not null,
    format    text not null,
    status    text not null default 'untried' check (
        status = 'accepted' or status = 'sending' or status = 'untried' or status = 'deferred'
        or status = 'unknown' or status = 'rejected' or status = 'suppressed'
        or status = 'expired'),
    attempts  integer not null default 0,
    failures  integer not null default 0,
    code      integer not null default 0,
    reply     text not null default '',
    changed   text not null,
    frequency text not null default 'daily',
    abstracts text not null default '',
    unique (issue, recipient, keywords)
) strict;
insert into deliveries_2 (id, issue, after, recipient, keywords, format, status, attempts, failures,
        code, reply, changed)
    select id, issue, after, recipient, keywords, format, status, attempts, failures, code, reply,
        changed
    from deliveries;
drop table deliveries;
alter table deliveries_2 rename to deliveries;
create view outstanding as
    select * from deliveries where issue in (select number from issues where not settled)
    and status in ('untried', 'sending', 'deferred', 'unknown');
create view ended as
    select * from deliveries where status in ('accepted', 'rejected', 'suppressed', 'expired');
create view mailed as
    select * from deliveries where status in ('accepted', 'rejected', 'unknown');

create table past (
    keyword   text not null,
    paper     text not null,
    version   integer not null,
    submitted text not null,
    recorded  text not null,
    primary key (keyword, paper)
) strict, without rowid;

create table looked_up (
    keyword    text not null,
    month      text not null,
    definition text not null,
    primary key (keyword, month)
) strict, without rowid;

create index refused_lately on deliveries (recipient)
    where code >= 500 and status in ('deferred', 'rejected');

create table orders (
    id        integer primary key,
    issue     integer not null references issues,
    recipient text not null,
    keywords  text not null,
    papers    text not null,
    unique (issue, recipient, keywords)
) strict;
