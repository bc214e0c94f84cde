/**
 * What imap-dovecot.test.ts says to both servers, and where they may answer differently.
 *
 * A line is a command of session A, or of the session named before it (`B: NOOP`); `mark name` keeps where the changes
 * of INBOX stand.
 */

export interface Scenario {
  readonly title: string
  readonly commands: string
}

/** All the hard messages, on nine days that come again and again. */
const FILLED = Array.from(
  { length: 47 },
  (_, at) => `APPEND INBOX "0${(at % 9) + 1}-Feb-2020 10:00:00 +0000" <<${at + 1}>>`,
).join('\n')

export const SCENARIOS: readonly Scenario[] = [
  {
    title: 'mailboxes',
    commands: String.raw`
LIST "" *
LIST "" %
LIST "" ""
LIST "x" ""
LSUB "" *
LIST "" INBOX
LIST "" inbox
LIST (SPECIAL-USE) "" *
LIST "" * RETURN (SPECIAL-USE)
LIST "" * RETURN (CHILDREN)
LIST "" * RETURN (SUBSCRIBED)
LIST (SUBSCRIBED) "" *
LIST (SUBSCRIBED) "" * RETURN (STATUS (MESSAGES))
CREATE Work
CREATE Work/2020
CREATE Work/2020/May
CREATE Work/2021/
CREATE Deep
CREATE Deep/a
CREATE Deep/a/b
SUBSCRIBE Work
SUBSCRIBE Work/2020
SUBSCRIBE Work/2020/May
SUBSCRIBE Work/2021
SUBSCRIBE Deep
SUBSCRIBE Deep/a
SUBSCRIBE Deep/a/b
LIST "" *
LIST "" %
LIST "" %/%
LIST "" Work/*
LIST "" Work/%
LIST "Work/" %
LIST "" (Work/% INBOX)
LIST "" *2020*
LIST "" W%k
LIST "" "Work/2020/%"
CREATE Work
CREATE INBOX
CREATE "a//b"
CREATE "/x"
CREATE ""
CREATE "&AMQ-"
LIST "" "&AMQ-"
CREATE "bad&name"
CREATE "&"
SUBSCRIBE "&AMQ-"
CREATE "a*b"
SUBSCRIBE "a*b"
CREATE "tab\x09x"
DELETE Nowhere
DELETE Work/2020
LIST "" Work*
SELECT Work/2020
APPEND Work/2020 <<x>>
STATUS Work/2020 (MESSAGES)
DELETE Work/2020
UNSUBSCRIBE Work/2020
UNSUBSCRIBE Work/2020/May
DELETE Work/2020/May
DELETE "Work/2020"
LIST "" Work/%
DELETE INBOX
RENAME Nowhere Else
UNSUBSCRIBE Work
UNSUBSCRIBE Work/2021
RENAME Work Job
SUBSCRIBE Job
SUBSCRIBE Job/2021
LIST "" *
RENAME Job INBOX
RENAME Job Archive
UNSUBSCRIBE Job/2021
RENAME Job/2021 Deep/x
SUBSCRIBE Deep/x
LIST "" *
RENAME Deep Deep/z
UNSUBSCRIBE Deep/x
RENAME Deep/x inbox/y
SUBSCRIBE INBOX/y
LIST "" INBOX*
SUBSCRIBE Job
LSUB "" *
UNSUBSCRIBE Job
LSUB "" *
SUBSCRIBE Nowhere
UNSUBSCRIBE Nowhere
LIST (SUBSCRIBED) "" *
CREATE Sub/below
UNSUBSCRIBE Sub
UNSUBSCRIBE Sub/below
SUBSCRIBE Sub/below
LIST (SUBSCRIBED RECURSIVEMATCH) "" %
LIST (SUBSCRIBED) "" %
LSUB "" %
LIST (RECURSIVEMATCH) "" %
LIST (FOO) "" %
LIST (REMOTE) "" INBOX
LIST "" * RETURN (FOO)
LIST "" INBOX RETURN (STATUS (MESSAGES UNSEEN UIDNEXT) SUBSCRIBED)
LIST () "" INBOX
LIST "" ()
LIST ""
LIST
STATUS INBOX (MESSAGES UNSEEN UIDNEXT UIDVALIDITY SIZE HIGHESTMODSEQ)
STATUS INBOX ()
STATUS INBOX (FOO)
STATUS INBOX MESSAGES
STATUS Nowhere (MESSAGES)
`,
  },
  {
    title: 'the session',
    commands: `
NAMESPACE
ID NIL
ID ("name" "x")
ID ("name")
ENABLE CONDSTORE
ENABLE FOO
ENABLE
NOOP
CHECK
CLOSE
UNSELECT
SELECT
SELECT Nowhere
EXAMINE Nowhere
SELECT "INBOX" (FOO)
SELECT INBOX (CONDSTORE)
EXAMINE INBOX
UNSELECT
UNSELECT
AUTHENTICATE PLAIN
FETCH 1 FLAGS
FOO
UID FOO
UID
`,
  },
  {
    title: 'rights and annotations',
    commands: `
GETQUOTA foo
GETQUOTAROOT INBOX
MYRIGHTS INBOX
MYRIGHTS Nowhere
GETACL INBOX
LISTRIGHTS INBOX {{bob}}
SETACL INBOX {{bob}} lr
GETACL INBOX
SETACL INBOX {{bob}} +i
GETACL INBOX
SETACL INBOX {{bob}} -l
GETACL INBOX
DELETEACL INBOX {{bob}}
GETACL INBOX
SETACL INBOX {{bob}} Q
SETACL Nowhere {{bob}} lr
GETMETADATA INBOX /private/comment
SETMETADATA INBOX (/private/comment "hello")
GETMETADATA INBOX /private/comment
GETMETADATA INBOX (/private/comment /shared/comment)
GETMETADATA (DEPTH 1) INBOX /private
GETMETADATA (DEPTH infinity) INBOX /private
GETMETADATA (MAXSIZE 3) INBOX /private/comment
SETMETADATA INBOX (/private/comment NIL)
GETMETADATA INBOX /private/comment
SETMETADATA INBOX (/foo "x")
SETMETADATA "" (/private/comment "server")
GETMETADATA "" /private/comment
`,
  },
  {
    title: 'messages',
    commands: String.raw`
APPEND INBOX <<m1>>
APPEND INBOX (\Seen $Label) <<m2>>
APPEND INBOX (\Flagged) "01-Jan-2020 10:00:00 +0100" <<m3>>
APPEND INBOX "01-Jan-2020 10:00:00 +0100" <<m4>>
APPEND INBOX () <<m5>>
APPEND INBOX <<m6>> <<m7>>
APPEND INBOX
APPEND INBOX <<m8>>
SELECT INBOX
FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)
FETCH 1 FAST
FETCH 1 ALL
FETCH 1 FULL
FETCH 2:3 (FLAGS)
FETCH * UID
FETCH *:3 UID
FETCH 3:* UID
FETCH 99 UID
FETCH 1,99 UID
FETCH 1:99 UID
FETCH 0 UID
FETCH 1
FETCH 1 ()
FETCH 1 FOO
FETCH 1 (UID FOO)
FETCH 1 BODY[
FETCH 1 BODY[FOO]
FETCH 1 BODY[MIME]
FETCH 1 (FAST)
FETCH 1 (FLAGS FLAGS)
UID FETCH 1 FLAGS
UID FETCH 99 FLAGS
UID FETCH 1,99 (UID)
UID FETCH 99:* FLAGS
UID FETCH *:99 UID
FETCH 1 BODY[TEXT]
FETCH 1 (BODY[TEXT] FLAGS)
FETCH 3 (RFC822.TEXT)
FETCH 4 RFC822
FETCH 5 BODY.PEEK[]
FETCH 5 FLAGS
FETCH 5 (BODY[HEADER.FIELDS ()])
FETCH 5 PREVIEW
FETCH 5 (PREVIEW (LAZY))
FETCH 5 BINARY[1]
FETCH 1:3 (MODSEQ)
FETCH 1:3 (FLAGS)
STORE 1 +FLAGS (\Deleted)
STORE 1 +FLAGS \Flagged
STORE 1 -FLAGS.SILENT (\Flagged)
STORE 1 FLAGS (\Seen work)
STORE 1:2 +FLAGS (work $Label)
STORE 2 FLAGS ()
STORE 99 +FLAGS (\Seen)
STORE 1 +FLAGS (\Recent)
STORE 1 +FLAGS (\Foo)
STORE 1 +FLAGS
STORE 1 FOO (\Seen)
STORE 1 +FLAGS (\Seen
UID STORE 2 +FLAGS (\Answered)
UID STORE 99 +FLAGS (\Answered)
UID STORE 1:99 +FLAGS.SILENT (\Draft)
STORE 3 +FLAGS (\SEEN \flagged)
STORE 3 +FLAGS (Work)
STORE 3 -FLAGS (WORK)
FETCH 1:* FLAGS
COPY 1 Archive
COPY 1:2 Archive
COPY 2,1 Archive
UID COPY 3:4 Archive
UID COPY 99 Archive
COPY 99 Archive
COPY 1 Nowhere
COPY 1 INBOX
COPY 1
MOVE 2 Archive
UID MOVE 3 Archive
UID MOVE 99 Archive
MOVE 99 Archive
MOVE 1 Nowhere
MOVE 1 INBOX
FETCH 1:* (UID FLAGS)
STORE 1,3 +FLAGS.SILENT (\Deleted)
EXPUNGE
EXPUNGE
STORE 1:2 +FLAGS (\Deleted)
UID EXPUNGE 99
UID EXPUNGE 1:5
FETCH 1:* (UID FLAGS)
UID EXPUNGE
STATUS Archive (MESSAGES UNSEEN UIDNEXT SIZE)
STATUS INBOX (MESSAGES UNSEEN UIDNEXT SIZE)
SEARCH ALL
CLOSE
SELECT Archive
FETCH 1:* (UID FLAGS INTERNALDATE)
EXAMINE INBOX
STORE 1 +FLAGS (\Answered)
UID EXPUNGE 1:*
FETCH 1 BODY[]
FETCH 1 FLAGS
COPY 1 Archive
CLOSE
SELECT INBOX
STORE 1 +FLAGS (\Deleted)
CLOSE
SELECT INBOX
STORE 1 +FLAGS (\Deleted)
UNSELECT
SELECT INBOX
EXPUNGE
`,
  },
  {
    title: 'several sessions',
    commands: String.raw`
A: APPEND INBOX <<z1>>
A: SELECT INBOX
A: APPEND INBOX <<x1>> <<x2>> <<x3>> <<x4>>
A: NOOP
B: SELECT INBOX
B: STORE 1 +FLAGS (\Flagged)
A: NOOP
A: FETCH 1 FLAGS
B: STORE 2 +FLAGS (\Deleted)
B: EXPUNGE
A: FETCH 1:* UID
A: STORE 3 +FLAGS (\Answered)
A: SEARCH ALL
A: FETCH 2 BODY.PEEK[]
A: NOOP
A: FETCH 1:* (UID FLAGS)
B: NOOP
B: STORE 1 +FLAGS (\Deleted)
B: EXPUNGE
A: UID FETCH 1:* FLAGS
A: NOOP
B: APPEND INBOX <<x5>>
A: NOOP
B: NOOP
A: STORE 1 +FLAGS.SILENT (\Flagged)
B: NOOP
B: COPY 1 INBOX
A: NOOP
`,
  },
  {
    title: 'hard messages',
    commands: `
${FILLED}
SELECT INBOX
FETCH @ (RFC822.SIZE INTERNALDATE FLAGS UID)
FETCH @ ENVELOPE
FETCH @ BODYSTRUCTURE
FETCH @ BODY
FETCH @ BODY.PEEK[]
FETCH @ BODY.PEEK[HEADER]
FETCH @ BODY.PEEK[TEXT]
FETCH @ (BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[2])
FETCH @ BODY.PEEK[2.MIME]
FETCH @ BODY.PEEK[1.1]
FETCH @ (BODY.PEEK[2.HEADER] BODY.PEEK[2.TEXT] BODY.PEEK[1.HEADER] BODY.PEEK[1.TEXT] BODY.PEEK[2.1])
FETCH @ (BODY.PEEK[1.1.1] BODY.PEEK[1.1.2.MIME] BODY.PEEK[9] BODY.PEEK[1.2.3.4.5])
FETCH @ (BODY.PEEK[]<0.10> BODY.PEEK[TEXT]<3.5> BODY.PEEK[1]<1.100000> BODY.PEEK[]<1000000.5>)
FETCH @ BODY.PEEK[HEADER.FIELDS (Subject X-None FROM)]
FETCH @ BODY.PEEK[HEADER.FIELDS.NOT (Subject "Content-Type")]
FETCH @ (BODY.PEEK[2.HEADER.FIELDS (SUBJECT)] BODY.PEEK[HEADER.FIELDS (To)]<2.7>)
FETCH @ RFC822.HEADER
FETCH @ BINARY.SIZE[1]
FETCH @ (BINARY.PEEK[2] BINARY.SIZE[2] BINARY.PEEK[2]<1.2>)
FETCH @ BINARY.PEEK[1]
FETCH @ BINARY.PEEK[1]<2.3>
`,
  },
  {
    title: 'searching',
    commands: `
${FILLED}
SELECT INBOX
SEARCH ALL
SEARCH 1:3,7
SEARCH 45:*
SEARCH *
SEARCH UID 40:*
SEARCH SUBJECT plain
SEARCH CHARSET UTF-8 SUBJECT {3+}~hö
SEARCH FROM far.test
SEARCH FROM "Ann"
SEARCH TO john
SEARCH CC c@far
SEARCH BCC d@far
SEARCH HEADER Message-ID hard1
SEARCH HEADER Content-Type multipart
SEARCH HEADER X-None ""
SEARCH HEADER References ""
SEARCH BODY "two"
SEARCH BODY hello
SEARCH TEXT "inside"
SEARCH TEXT "Content-Type"
SEARCH NOT TEXT "Content-Type"
SEARCH BODY "inner text"
SEARCH BODY "<p>"
SEARCH BODY "begin 644"
SEARCH SENTON 3-Mar-2020
SEARCH SENTBEFORE 3-Mar-2020
SEARCH SENTSINCE 20-Mar-2020
SEARCH NOT SENTSINCE 1-Jan-1970
SEARCH ON 3-Feb-2020
SEARCH BEFORE 3-Feb-2020
SEARCH SINCE "8-Feb-2020"
SEARCH LARGER 1000
SEARCH SMALLER 200
SEARCH LARGER 300 SMALLER 400
SEARCH OR SUBJECT plain SUBJECT broken
SEARCH NOT (OR FROM ann FROM bob)
SEARCH OLDER 100
SEARCH YOUNGER 100
SEARCH NEW
SEARCH RECENT
SEARCH OLD
SEARCH UNSEEN 1:5
SEARCH KEYWORD $Label
SEARCH UNKEYWORD $Label 1:2
SEARCH RETURN () ALL
SEARCH RETURN (MIN MAX COUNT) SUBJECT r
SEARCH RETURN (ALL) SUBJECT r
SEARCH RETURN (MIN MAX ALL COUNT) SUBJECT nothinglikethis
SEARCH RETURN (COUNT) 1:5
UID SEARCH RETURN (MIN) 2:5
SEARCH RETURN (SAVE) 2:5
FETCH $ (UID)
UID FETCH $ FLAGS
SEARCH RETURN (SAVE COUNT) 3,$
SEARCH $
SEARCH NOT $ 1:7
SEARCH RETURN (SAVE MIN) 4:9
FETCH $ UID
SEARCH CHARSET KOI8-R ALL
SEARCH CHARSET X-UNKNOWN ALL
SEARCH
SEARCH FOO
SEARCH OR ALL
SEARCH NOT
SEARCH (ALL
SEARCH SUBJECT
SEARCH 0
SEARCH 1:99
SEARCH 99
SEARCH SENTON 32-Foo-2020
SEARCH MODSEQ 1
SEARCH RETURN (FOO) ALL
SEARCH LARGER x
UID SEARCH UID 99:*
UID SEARCH 1:4
SORT (ARRIVAL) UTF-8 ALL
SORT (REVERSE ARRIVAL) UTF-8 ALL
SORT (DATE) UTF-8 ALL
SORT (REVERSE DATE) UTF-8 ALL
SORT (FROM) UTF-8 ALL
SORT (TO) UTF-8 ALL
SORT (CC) UTF-8 ALL
SORT (SIZE) UTF-8 ALL
SORT (SUBJECT) UTF-8 ALL
SORT (REVERSE SUBJECT DATE) UTF-8 ALL
SORT (DISPLAYFROM) UTF-8 ALL
SORT (DISPLAYTO) UTF-8 ALL
SORT (SUBJECT REVERSE SIZE) US-ASCII 1:9
SORT () UTF-8 ALL
SORT (FOO) UTF-8 ALL
SORT (DATE) X-UNKNOWN ALL
UID SORT (DATE) UTF-8 SUBJECT plain
THREAD REFERENCES UTF-8 ALL
THREAD ORDEREDSUBJECT UTF-8 ALL
THREAD REFERENCES UTF-8 SUBJECT plain
UID THREAD REFERENCES UTF-8 1:9
THREAD FOO UTF-8 ALL
THREAD REFERENCES UTF-8 SUBJECT nothinglikethis
SORT (DATE) UTF-8 SUBJECT nothinglikethis
SEARCH SUBJECT inside
SEARCH FROM inner@
SEARCH BODY inside
SEARCH BODY "Subject: inside"
SEARCH 40:99
SEARCH 99:100
SEARCH NOT 40:99
`,
  },
  {
    title: 'changes since',
    commands: String.raw`
A: APPEND INBOX <<c1>> <<c2>> <<c3>> <<c4>> <<c5>> <<c6>>
A: mark start
A: SELECT INBOX (CONDSTORE)
A: FETCH 1:* (FLAGS MODSEQ)
A: STORE 2 +FLAGS.SILENT (\Flagged)
A: mark second
A: STORE 3 +FLAGS (\Seen)
A: FETCH 1:* (FLAGS) (CHANGEDSINCE {{start}})
A: FETCH 1:* (UID) (CHANGEDSINCE {{second}})
A: UID FETCH 1:* (FLAGS) (CHANGEDSINCE {{second}})
A: FETCH 1:* FLAGS (CHANGEDSINCE 0)
A: FETCH 1:* FLAGS (CHANGEDSINCE x)
A: FETCH 1:* FLAGS (FOO)
A: FETCH 1:* FLAGS (VANISHED CHANGEDSINCE 1)
A: SEARCH MODSEQ {{second}}
A: UID SEARCH MODSEQ {{second}} NOT SEEN
A: SEARCH MODSEQ "/flags/\\seen" all {{second}}
A: SEARCH MODSEQ 99999999
A: SEARCH RETURN (MIN MAX ALL COUNT) MODSEQ {{start}}
A: SEARCH RETURN (MIN) MODSEQ {{start}}
A: SORT (ARRIVAL) UTF-8 MODSEQ {{second}}
A: STORE 1:3 (UNCHANGEDSINCE {{start}}) +FLAGS (\Answered)
A: STORE 4 (UNCHANGEDSINCE {{start}}) +FLAGS.SILENT (\Answered)
A: UID STORE 2:5 (UNCHANGEDSINCE {{second}}) FLAGS (\Draft)
A: STORE 6 (UNCHANGEDSINCE 0) +FLAGS (\Seen)
A: STORE 6 (UNCHANGEDSINCE x) +FLAGS (\Seen)
A: FETCH 1:* (UID FLAGS)
A: STATUS INBOX (HIGHESTMODSEQ MESSAGES)
A: CLOSE
A: SELECT INBOX (CONDSTORE FOO)
`,
  },
  {
    title: 'resynchronising',
    commands: String.raw`
X: APPEND INBOX <<other>>
A: ENABLE CONDSTORE
A: APPEND INBOX <<q1>> <<q2>> <<q3>> <<q4>> <<q5>> <<q6>> <<q7>> <<q8>>
A: SELECT INBOX (QRESYNC (1 1))
A: mark start
B: SELECT INBOX
B: STORE 2 +FLAGS (\Flagged)
B: STORE 3,5 +FLAGS.SILENT (\Deleted)
B: EXPUNGE
B: mark middle
B: STORE 1 +FLAGS (\Seen)
B: STORE 6 +FLAGS (\Deleted)
B: EXPUNGE
C: ENABLE QRESYNC
C: SELECT INBOX (QRESYNC ({{validity}} {{start}}))
C: SELECT INBOX (QRESYNC ({{validity}} {{middle}}))
C: SELECT INBOX (QRESYNC ({{validity}} {{start}} 1:4))
C: SELECT INBOX (QRESYNC ({{validity}} {{start}} 1:8 (2,4 2,4)))
C: SELECT INBOX (QRESYNC (1 {{start}}))
C: EXAMINE INBOX (QRESYNC ({{validity}} {{start}}))
C: SELECT INBOX (QRESYNC ({{validity}} 0))
C: SELECT INBOX (QRESYNC (0 1))
C: SELECT INBOX
C: UID FETCH 1:* (FLAGS) (CHANGEDSINCE {{start}} VANISHED)
C: UID FETCH 1:4 (FLAGS) (CHANGEDSINCE {{start}} VANISHED)
C: UID FETCH 1:* (FLAGS) (CHANGEDSINCE {{middle}} VANISHED)
C: UID FETCH 1:* (FLAGS) (VANISHED)
C: FETCH 1:* (FLAGS) (CHANGEDSINCE {{middle}} VANISHED)
B: STORE 2 +FLAGS (\Deleted)
B: EXPUNGE
C: NOOP
C: UID FETCH 1:* (FLAGS)
C: STORE 1 +FLAGS.SILENT (\Deleted)
C: UID EXPUNGE 1:9
B: NOOP
C: UID MOVE 4 Archive
B: NOOP
C: COPY 1 Archive
C: CLOSE
C: SELECT Archive (QRESYNC ({{validity}} {{start}}))
C: ENABLE CONDSTORE
C: SELECT INBOX (QRESYNC ({{validity}}))
`,
  },
  {
    title: 'parts of messages',
    commands: String.raw`
A: APPEND INBOX <<5>> <<31>> <<29>>
A: SELECT INBOX
A: FETCH 1 (BINARY.PEEK[1.2] BINARY.SIZE[1.2])
A: FETCH 1 BINARY.PEEK[1.2]<1.4>
A: FETCH 1 BINARY.PEEK[1.2]<100.4>
A: FETCH 2 (BINARY[1])
A: FETCH 2 FLAGS
A: FETCH 2 BINARY[1.MIME]
A: FETCH 2 BINARY
A: FETCH 2 BINARY.SIZE
A: FETCH 1 (BODY.PEEK[2.HEADER.FIELDS (From)] BODY.PEEK[2.1] BODY.PEEK[2.1.MIME] BODY.PEEK[2.TEXT]<0.8>)
A: FETCH 3 (BODY.PEEK[1.HEADER] BODY.PEEK[2])
A: FETCH 3 (BODY.PEEK[1.1.HEADER] BODY.PEEK[1.1.1] BODY.PEEK[1.1.2] BODY.PEEK[1.2])
A: FETCH 3 (BODY.PEEK[1.MIME] BODY.PEEK[1.1.MIME] BODY.PEEK[1.1.1.MIME])
A: mark here
A: APPEND Drafts CATENATE (URL "/INBOX;UIDVALIDITY={{validity}}/;UID=1/;SECTION=HEADER" TEXT {4+}\r\nbody)
A: APPEND Drafts (\Draft) CATENATE (TEXT {3+}\r\na:b URL "/INBOX/;UID=1/;SECTION=1.1")
A: APPEND Drafts CATENATE (URL "/INBOX/;UID=99")
A: APPEND Drafts CATENATE (URL "/Nowhere/;UID=1")
A: APPEND Drafts CATENATE (URL "/INBOX;UIDVALIDITY=1/;UID=1")
A: APPEND Drafts CATENATE (URL "imap://elsewhere/INBOX/;UID=1")
A: APPEND Drafts CATENATE ()
A: STATUS Drafts (MESSAGES)
A: SELECT Drafts
A: FETCH 1:* (UID FLAGS BODY.PEEK[])
`,
  },
  {
    title: 'the saved search',
    commands: String.raw`
A: APPEND INBOX (\Flagged) <<one>> (\Seen) <<two>> (\Flagged) <<three>> <<four>>
A: SELECT INBOX
A: SEARCH RETURN (SAVE) FLAGGED
A: FETCH $ (FLAGS)
A: STORE $ +FLAGS (\Answered)
A: COPY $ Archive
A: SEARCH RETURN (SAVE ALL) NOT $
A: SEARCH RETURN (COUNT) $
A: SEARCH RETURN (SAVE MIN MAX) ALL
A: FETCH $ UID
A: SEARCH RETURN (SAVE) SUBJECT nothing
A: FETCH $ UID
A: SEARCH RETURN (SAVE) CHARSET X-NONE ALL
A: FETCH $ UID
A: SEARCH RETURN (SAVE) ALL
A: STORE 2 +FLAGS.SILENT (\Deleted)
A: EXPUNGE
A: FETCH $ UID
A: UID SEARCH RETURN (SAVE COUNT) UID 1,3
A: MOVE $ Archive
A: SEARCH $
A: FETCH 1,$ UID
A: SELECT Archive
A: FETCH $ UID
`,
  },
  {
    title: 'words in other scripts',
    commands: String.raw`
A: APPEND INBOX <<4>> <<12>> <<18>> <<32>>
A: SELECT INBOX
A: SEARCH CHARSET UTF-8 SUBJECT {3+}\r\nh\xc3\xb6
A: SEARCH CHARSET UTF-8 SUBJECT {3+}\r\nH\xc3\x96
A: SEARCH CHARSET ISO-8859-1 SUBJECT {2+}\r\nh\xf6
A: SEARCH CHARSET UTF-8 BODY {3+}\r\nh\xc3\xb6
A: SEARCH CHARSET UTF-8 TEXT {7+}\r\ngr\xc3\xbc\xc3\x9fe
A: SEARCH CHARSET UTF-8 OR SUBJECT {3+}\r\nh\xc3\xb6 BODY {8+}\r\nsoftbrea
A: SEARCH BODY "softbreak"
A: SEARCH BODY "soft="
A: SEARCH BODY "h=C3"
A: SEARCH SUBJECT "=?utf-8"
A: SEARCH HEADER Subject "plain"
A: SEARCH HEADER "To" "doe, john"
`,
  },
  {
    title: 'subscriptions',
    commands: `
A: CREATE One
A: CREATE Two
A: CREATE Two/Three
A: CREATE Five
A: CREATE Five/Six
A: SUBSCRIBE One
A: SUBSCRIBE Two
A: SUBSCRIBE Two/Three
A: SUBSCRIBE Five/Six
A: UNSUBSCRIBE Five
A: DELETE One
A: LSUB "" *
A: LIST (SUBSCRIBED) "" *
A: LIST (SUBSCRIBED) "" One RETURN (STATUS (MESSAGES))
A: SELECT One
A: SUBSCRIBE One
A: RENAME Two Four
A: SUBSCRIBE Four
A: SUBSCRIBE Four/Three
A: LSUB "" T*
A: LSUB "" %
A: LIST (SUBSCRIBED) "" Two/%
A: DELETE Five/Six
A: DELETE Five
A: LIST (SUBSCRIBED RECURSIVEMATCH) "" F*
A: LIST (SUBSCRIBED RECURSIVEMATCH) "" %
A: LSUB "" F%
A: UNSUBSCRIBE One
A: UNSUBSCRIBE Two/Three
A: LSUB "" *
A: CREATE Two
A: SUBSCRIBE Two
A: LIST (SUBSCRIBED) "" %
A: UNSUBSCRIBE Two
A: LIST (SUBSCRIBED) "" Two*
`,
  },
  {
    title: 'being told',
    commands: `
A: APPEND INBOX <<a1>>
A: SELECT INBOX
A: NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))
A: NOTIFY SET (selected (MessageNew))
A: NOTIFY SET (personal (MessageNew))
A: NOTIFY SET (personal (FlagChange))
A: NOTIFY SET (selected (MessageNew MessageExpunge)) (inboxes (MessageNew MessageExpunge))
A: NOTIFY SET STATUS (personal (MessageNew MessageExpunge))
A: NOTIFY SET (selected NONE)
A: NOTIFY SET (personal (Foo))
A: NOTIFY SET (foo (MessageNew MessageExpunge))
A: NOTIFY SET
A: NOTIFY NONE
A: NOTIFY SET (selected-delayed (MessageNew (UID) MessageExpunge))
A: NOTIFY SET (mailboxes INBOX (MessageNew MessageExpunge))
A: NOTIFY SET (subtree (INBOX Archive) (MessageNew MessageExpunge))
A: NOTIFY SET (subscribed (MessageNew MessageExpunge MailboxName))
A: NOTIFY SET (selected (MessageNew MessageExpunge)) (selected-delayed (MessageNew MessageExpunge))
A: NOTIFY NONE
`,
  },
  {
    title: 'odd spelling',
    commands: String.raw`
A: APPEND INBOX <<e1>> <<e2>> <<e3>>
A: SELECT INBOX
A: FETCH 1:3 (UID BODY.PEEK[HEADER.FIELDS (Subject)])
A: fetch 1 flags
A: Uid Fetch 1 (flags)
A: STORE 1 +flags.silent (\deleted)
A: STORE 1 +FLAGS.SILENT \Seen \Flagged
A: FETCH 1 FLAGS
A: STORE 1:2,3 -FLAGS (\Seen \Flagged \Deleted)
A: SEARCH  ALL
A: SEARCH ALL 
A:  SEARCH ALL
A: SEARCH (ALL) (UNSEEN)
A: SEARCH ((ALL))
A: SEARCH ()
A: SEARCH NOT NOT ALL
A: SEARCH OR OR ALL SEEN SEEN
A: SEARCH HEADER Subject ""
A: SEARCH SUBJECT ""
A: SEARCH BODY ""
A: SEARCH TEXT ""
A: SEARCH FROM ""
A: SEARCH SUBJECT NIL
A: SEARCH 3:1
A: SEARCH *:1
A: SEARCH UID *
A: SEARCH UID *:*
A: SEARCH UID 2:1,3
A: SEARCH 1,1,1
A: FETCH 1,1,1 UID
A: FETCH 3,1 UID
A: FETCH 2:2 (UID)
A: FETCH 1: UID
A: FETCH :1 UID
A: FETCH 1,,2 UID
A: FETCH , UID
A: FETCH a UID
A: FETCH -1 UID
A: FETCH 01 UID
A: FETCH 4294967295 UID
A: FETCH 99999999999 UID
A: FETCH 1 BODY.PEEK
A: FETCH 1 BODY.PEEK[HEADER.FIELDS]
A: FETCH 1 BODY.PEEK[HEADER.FIELDS Subject]
A: FETCH 1 BODY.PEEK[HEADER.FIELDS ("Subject" X)]
A: FETCH 1 BODY.PEEK[1.]
A: FETCH 1 BODY.PEEK[.1]
A: FETCH 1 BODY.PEEK[1.0]
A: FETCH 1 BODY.PEEK[1.TEXT]
A: FETCH 1 BODY.PEEK[TEXT.1]
A: FETCH 1 BODY.PEEK[]<-1.5>
A: FETCH 1 BODY.PEEK[]<1.2>
A: FETCH 1 RFC822.PEEK
A: FETCH 1 (ALL)
A: FETCH 1 (FLAGS UID
A: FETCH 1 (FLAGS  UID)
A: FETCH 1 FLAGS UID
A: FETCH 1 body.peek[header]<0.5>
A: SELECT inbox
A: SELECT INBOX/
A: SELECT "INBOX" 
A: STATUS inbox (messages)
A: STATUS INBOX (MESSAGES MESSAGES)
A: COPY 1:* "Archive"
A: COPY 3,2,1 Archive
A: UID COPY 1:* Archive
A: COPY 1 {7+}\r\nArchive
A: LIST {0+}\r\n {1+}\r\n*
A: LIST "" "INB%X"
A: LIST "" "*X"
A: LIST "" "%*%"
A: LIST "IN" "BOX"
A: LIST "" "Arch*e"
A: LIST NIL *
A: LIST "" NIL
A: CREATE NIL
A: SUBSCRIBE NIL
A: LIST "" "N%"
A: DELETE NIL
A: UNSUBSCRIBE NIL
A: CREATE {4+}\r\nLit1
A: RENAME {4+}\r\nLit1 {4+}\r\nLit2
A: DELETE Lit2
A: EXAMINE INBOX (CONDSTORE)
A: CLOSE
A: EXPUNGE
A: NOOP
`,
  },
  {
    title: 'sharing',
    commands: `
A: CREATE Ours
A: APPEND Ours <<a1>> <<a2>>
A: SETACL Ours {{bob}} lrs
A: GETACL Ours
A: LISTRIGHTS Ours {{bob}}
A: SETACL Ours {{bob}} +wi
A: GETACL Ours
A: SETACL Ours {{bob}} -s
A: GETACL Ours
A: SETACL Ours anyone r
A: GETACL Ours
A: DELETEACL Ours anyone
A: DELETEACL Ours {{bob}}
A: GETACL Ours
A: SETACL Ours {{bob}} cd
A: GETACL Ours
A: MYRIGHTS Ours
A: GETACL
A: SETACL Ours
A: MYRIGHTS
A: DELETEACL Nowhere {{bob}}
`,
  },
]

/** By scenario and command: why the answers may differ. */
export const DIFFERENCES: Readonly<Record<string, string>> = {
  'mailboxes: LIST "" Work*':
    'What is deleted and has others below it is \\Noselect (RFC 9051 section 6.3.5); Dovecot does not say so here',
  'mailboxes: LIST "" ()': 'RFC 9051 section 9: a list of patterns has one at least',
  'mailboxes: LIST (SUBSCRIBED RECURSIVEMATCH) "" %':
    'Levels above a new mailbox are made as mailboxes (RFC 9051 section 6.3.4), not only implied',
  'the session: NAMESPACE': 'We have a namespace of other users',
  'the session: ENABLE FOO': 'An ENABLED that lists nothing may be left out (RFC 9051 section 6.3.1)',
  'the session: ENABLE': 'RFC 9051 section 9: one capability at least',
  'rights and annotations: GETQUOTAROOT INBOX': 'The accounts of this test have no limits here',
  'rights and annotations: MYRIGHTS Nowhere': 'RFC 4314 section 3.5 is about mailboxes that are there',
  'messages: STORE 1 +FLAGS': 'RFC 9051 section 9: a list of flags, be it empty',
  'messages: STORE 3 +FLAGS (\\SEEN \\flagged)': 'RFC 9051 section 6.4.6: the flags are told, changed or not',
  'several sessions: A: FETCH 1:* UID':
    'What another has expunged is told by EXPUNGEISSUED, Dovecot tells what it remembers of it (RFC 2180 section 4.1)',
  'several sessions: A: FETCH 2 BODY.PEEK[]': 'A message that has gone is left out, not told as NIL',
  'several sessions: A: UID FETCH 1:* FLAGS': 'as above',
  'hard messages: FETCH 14 ENVELOPE': 'An address list without addresses is NIL, Dovecot makes one up',
  'hard messages: FETCH 16 ENVELOPE': 'What an address lacks is empty; Dovecot has words for it',
  'hard messages: FETCH 18 ENVELOPE':
    'A field that is no UTF-8 is read as Latin-1 and told in UTF-8; Dovecot gives back its octets',
  'hard messages: FETCH 19 ENVELOPE':
    'Unfolding takes only line breaks (RFC 5322 section 2.2.3), Dovecot makes white space one space',
  'hard messages: FETCH 20 BODYSTRUCTURE':
    'A parameter of one piece stays where it was; Dovecot loses one that is encoded',
  'hard messages: FETCH 20 BODY': 'as above',
  'hard messages: FETCH 22 BODYSTRUCTURE': 'RFC 2045 section 5.2: what is no type is text/plain',
  'hard messages: FETCH 22 BODY': 'as above',
  'hard messages: FETCH 23 BODYSTRUCTURE': 'as above',
  'hard messages: FETCH 23 BODY': 'as above',
  'hard messages: FETCH 29 BODYSTRUCTURE':
    'The line break before a boundary belongs to it (RFC 2046 section 5.1.1), also behind a closing one',
  'hard messages: FETCH 29 BODY': 'as above',
  'hard messages: FETCH 29 BODY.PEEK[1.1]': 'as above',
  'hard messages: FETCH 33 BODYSTRUCTURE': 'The encoding is told as it stands',
  'hard messages: FETCH 33 BODY': 'as above',
  'hard messages: FETCH 27 BODY.PEEK[2.MIME]': 'A header of no fields has its blank line',
  'hard messages: FETCH 2 BODY.PEEK[HEADER.FIELDS (Subject X-None FROM)]':
    'RFC 9051 section 6.4.5.1: no blank line in a message that has no body and no blank line',
  'hard messages: FETCH 39 BODY.PEEK[HEADER.FIELDS (Subject X-None FROM)]': 'as above',
  'hard messages: FETCH 40 BODY.PEEK[HEADER.FIELDS.NOT (Subject "Content-Type")]':
    'A line that is no field is in no list of fields',
  'hard messages: FETCH 40 ENVELOPE':
    'The first line that cannot be a field ends the header, as in Postfix and Exim; Dovecot reads on',
  'hard messages: FETCH 40 BODYSTRUCTURE': 'as above',
  'hard messages: FETCH 40 BODY': 'as above',
  'hard messages: FETCH 40 BODY.PEEK[HEADER]': 'as above',
  'hard messages: FETCH 40 BODY.PEEK[TEXT]': 'as above',
  'hard messages: FETCH 40 (BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[2])': 'as above',
  'hard messages: FETCH 40 (BODY.PEEK[]<0.10> BODY.PEEK[TEXT]<3.5> BODY.PEEK[1]<1.100000> BODY.PEEK[]<1000000.5>)':
    'as above',
  'hard messages: FETCH 40 BODY.PEEK[HEADER.FIELDS (Subject X-None FROM)]': 'as above',
  'hard messages: FETCH 40 RFC822.HEADER': 'as above',
  'hard messages: FETCH 40 BINARY.SIZE[1]': 'as above',
  'hard messages: FETCH 40 BINARY.PEEK[1]': 'as above',
  'hard messages: FETCH 40 BINARY.PEEK[1]<2.3>': 'as above',
  'searching: SEARCH FROM far.test': 'as above: what stands behind that line is no field of message 40',
  'hard messages: FETCH 5 BINARY.SIZE[1]':
    'RFC 9051 section 6.4.5.1: BINARY is for leaves; a multipart has no decoded size',
  'hard messages: FETCH 8 BINARY.SIZE[1]': 'as above',
  'hard messages: FETCH 22 BINARY.SIZE[1]': 'A FETCH without items beside NO [UNKNOWN-CTE] says nothing',
  'hard messages: FETCH 33 BINARY.SIZE[1]': 'We know uuencode',
  'subscriptions: A: LIST (SUBSCRIBED RECURSIVEMATCH) "" F*':
    'RFC 5258 section 3.5: for CHILDINFO it does not matter whether the one below matches the pattern too',
  'being told: A: NOTIFY SET (personal (Foo))': 'RFC 5465 section 8: NO [BADEVENT] for an event that is not known',
  'being told: A: NOTIFY SET (subscribed (MessageNew MessageExpunge MailboxName))':
    'We tell of messages only, and say so by BADEVENT',
  'being told: A: NOTIFY SET': 'RFC 5465 section 8: one group at least',
  'odd spelling: A: STORE 1:2,3 -FLAGS (\\Seen \\Flagged \\Deleted)':
    'RFC 9051 section 6.4.6: the flags are told, changed or not',
  'odd spelling: A: SEARCH  ALL': 'RFC 9051 section 9: one space',
  'odd spelling: A: FETCH 1 (FLAGS  UID)': 'as above',
  'odd spelling: A: FETCH 1 BODY.PEEK[1.0]': 'RFC 9051 section 9: parts count from 1',
  'odd spelling: A: STATUS INBOX (MESSAGES MESSAGES)': 'Who asks twice is told twice',
  'searching: SEARCH BODY "<p>"': 'HTML is searched for its words (RFC 9051 section 6.4.4: flexible matching)',
  'searching: SEARCH SENTBEFORE 3-Mar-2020': 'Without a date it was sent neither before nor after; Dovecot takes 1970',
  'searching: SEARCH NOT SENTSINCE 1-Jan-1970': 'as above',
  'searching: SEARCH NEW': '\\Recent is no more (RFC 9051 appendix A)',
  'searching: SEARCH RECENT': 'as above',
  'searching: SEARCH OLD': 'as above',
  'searching: SORT (FROM) UTF-8 ALL':
    "An address that lacks its mailbox sorts first; Dovecot's word for it sorts by its letters",
  'searching: SORT (CC) UTF-8 ALL': 'as above',
  'searching: SORT (DISPLAYFROM) UTF-8 ALL': 'as above',
  'searching: SORT (DISPLAYTO) UTF-8 ALL': 'as above',
  'searching: SORT (SUBJECT) UTF-8 ALL': 'A subject that is no UTF-8 is read as Latin-1',
  'searching: SORT (REVERSE SUBJECT DATE) UTF-8 ALL': 'as above',
  'searching: SEARCH BODY inside': 'The header of a message within is text of the body',
  'searching: SEARCH BODY "Subject: inside"': 'as above',
  'mailboxes: DELETE "Work/2020"': 'What is left as a level is there until it is deleted itself',
  'messages: STORE 1 +FLAGS (\\Answered)':
    'A mailbox that is open for reading is not changed, and that is said (RFC 9051 section 6.3.3)',
  'messages: UID EXPUNGE 1:*': 'as above',
  'hard messages: FETCH 5 BINARY.PEEK[1]': 'RFC 9051 section 6.4.5.1: BINARY is for leaves',
  'hard messages: FETCH 8 BINARY.PEEK[1]': 'as above',
  'hard messages: FETCH 5 BINARY.PEEK[1]<2.3>': 'as above',
  'hard messages: FETCH 8 BINARY.PEEK[1]<2.3>': 'as above',
  'hard messages: FETCH 22 BINARY.PEEK[1]': 'A FETCH without items beside NO [UNKNOWN-CTE] says nothing',
  'hard messages: FETCH 22 BINARY.PEEK[1]<2.3>': 'as above',
  'hard messages: FETCH 33 BINARY.PEEK[1]': 'We know uuencode',
  'hard messages: FETCH 33 BINARY.PEEK[1]<2.3>': 'as above',
  'hard messages: FETCH 24 BODYSTRUCTURE': 'A multipart without parts is shown as one text instead of nothing',
  'hard messages: FETCH 25 BODYSTRUCTURE': 'as above',
  'hard messages: FETCH 26 BODYSTRUCTURE': 'as above',
  'hard messages: FETCH 24 BODY': 'as above',
  'hard messages: FETCH 25 BODY': 'as above',
  'hard messages: FETCH 26 BODY': 'as above',
  'hard messages: FETCH 24 (BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[2])': 'as above',
  'hard messages: FETCH 25 (BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[2])': 'as above',
  'hard messages: FETCH 26 (BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[2])': 'as above',
  'hard messages: FETCH 24 BODY.PEEK[1.1]': 'as above',
  'hard messages: FETCH 25 BODY.PEEK[1.1]': 'as above',
  'hard messages: FETCH 26 BODY.PEEK[1.1]': 'as above',
  'hard messages: FETCH 24 (BODY.PEEK[]<0.10> BODY.PEEK[TEXT]<3.5> BODY.PEEK[1]<1.100000> BODY.PEEK[]<1000000.5>)':
    'as above',
  'hard messages: FETCH 25 (BODY.PEEK[]<0.10> BODY.PEEK[TEXT]<3.5> BODY.PEEK[1]<1.100000> BODY.PEEK[]<1000000.5>)':
    'as above',
  'hard messages: FETCH 26 (BODY.PEEK[]<0.10> BODY.PEEK[TEXT]<3.5> BODY.PEEK[1]<1.100000> BODY.PEEK[]<1000000.5>)':
    'as above',
  'hard messages: FETCH 24 BINARY.SIZE[1]': 'as above',
  'hard messages: FETCH 25 BINARY.SIZE[1]': 'as above',
  'hard messages: FETCH 26 BINARY.SIZE[1]': 'as above',
  'hard messages: FETCH 24 BINARY.PEEK[1]': 'as above',
  'hard messages: FETCH 25 BINARY.PEEK[1]': 'as above',
  'hard messages: FETCH 26 BINARY.PEEK[1]': 'as above',
  'hard messages: FETCH 24 BINARY.PEEK[1]<2.3>': 'as above',
  'hard messages: FETCH 25 BINARY.PEEK[1]<2.3>': 'as above',
  'hard messages: FETCH 26 BINARY.PEEK[1]<2.3>': 'as above',
  'parts of messages: A: FETCH 2 BINARY[1.MIME]': 'RFC 9051 section 9: only numbers',
  'words in other scripts: A: SEARCH CHARSET UTF-8 TEXT {7+}\\r\\ngr\\xc3\\xbc\\xc3\\x9fe':
    'A field that is no UTF-8 is read as Latin-1, and found',
  'resynchronising: C: ENABLE CONDSTORE': 'What QRESYNC has brought with it has been enabled already',
  'mailboxes: LSUB "" %': 'INBOX can be selected',
  'resynchronising: C: SELECT INBOX (QRESYNC ({{validity}}))':
    'What could not be understood changes nothing, also not what is selected',
}
