// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Sieve

/**
 * Tests and scripts with what they come to, by extension; most are examples of the RFCs or settle one of their
 * sentences. `ours`: Debian's dovecot-sieve does otherwise, with the sentence that decides.
 */
import type { MessageName } from './messages.ts'

/** All tests of a group run in one script. */
export interface TestGroup {
  readonly name: string
  readonly require: readonly string[]
  readonly message: MessageName
  /** Commands before the tests. */
  readonly before?: string
  readonly yes: readonly string[]
  readonly no: readonly string[]
  /** What is true here and not in Dovecot, by the sentence of the RFC that decides. */
  readonly ours?: Readonly<Record<string, readonly string[]>>
}

export const TESTS: readonly TestGroup[] = [
  {
    name: 'RFC 5228: header, exists, size, true, false, not, anyof, allof',
    require: ['encoded-character'],
    message: 'list',
    yes: [
      'true',
      'not false',
      'anyof (false, true)',
      'allof (true, true)',
      'not allof (true, false)',
      'header :contains "subject" "acme"',
      'header :contains "SUBJECT" "ACME-USERS"',
      'header :contains :comparator "i;octet" "subject" "acme"',
      'not header :contains :comparator "i;octet" "subject" "ACME"',
      'header :is "x-priority" "010"',
      'header "x-empty" ""',
      'header :contains "x-empty" ""',
      'header :matches "x-empty" ""',
      'header :matches "x-empty" "*"',
      'not header :matches "x-none" "*"',
      'not header :contains "x-none" ""',
      'header :is "subject" "[acme-users] [fwd] version 1.0 is out"',
      'header :matches "subject" "[acme-users]*out"',
      'header :matches "subject" "*?cme*"',
      'not header :matches "subject" "acme*"',
      'header :matches "x-star" "\\\\*important\\\\*\\\\? *"',
      'not header :matches "x-priority" "\\\\?10"',
      'header :matches "x-priority" "?1?"',
      'header :matches "x-priority" "???"',
      'not header :matches "x-priority" "????"',
      'not header :matches "x-priority" "??"',
      'header :contains ["x-none", "subject", "cc"] ["nothing", "version"]',
      'header :is "X-Spam" "12"',
      'header :contains "from" "Jürgen Müller"',
      'exists ["from", "DATE"]',
      'not exists ["from", "x-none"]',
      'exists "x-empty"',
      'size :over 100',
      'size :under 1K',
      'not size :over 1M',
      'not size :under 1',
      'header :contains "x-star" "${hex:2A}important"',
      'header :contains "x-star" "${unicode:2a}important${HEX:2a}"',
      'header :contains "from" "${unicode:FC}rgen"',
      'header :contains "from" "${hex:4D C3 BC 6c}ler"',
      'not header :contains "x-star" "${hex:2X}"',
    ],
    no: ['false', 'anyof (false, false)', 'allof (true, false)', 'not true'],
  },
  {
    name: 'RFC 5228 and RFC 5233: address and envelope',
    require: ['envelope', 'subaddress'],
    message: 'list',
    yes: [
      'address :is "from" "jm@example.net"',
      'address :is :all "FROM" "JM@EXAMPLE.NET"',
      'address :domain :is "from" "example.net"',
      'address :localpart :is "from" "jm"',
      'address :is "from" "two+tag@example.net"',
      'address :user :is "from" "two"',
      'address :detail :is "from" "tag"',
      'address :detail :is "to" "sieve"',
      'address :user "to" "ken"',
      'address :is "to" "a@one.example"',
      'address :is "to" "b@two.example"',
      'address :domain ["to", "cc"] ["two.example"]',
      'address :matches "to" "*@*.example"',
      'address :is "cc" "ann@example.com"',
      'address :contains "cc" "ann"',
      'envelope :is "from" "sender@example.net"',
      'envelope :domain "from" "example.net"',
      'envelope :localpart "FROM" "sender"',
      'envelope :all :is "to" "ken+sieve@example.org"',
      'envelope :detail "to" "sieve"',
      'envelope :user "to" "ken"',
      'envelope :detail :matches "to" "*"',
    ],
    no: [
      'address :contains "cc" "work"',
      'address :contains "from" "Müller"',
      'address :user "from" "two+tag"',
      'address :detail "cc" ""',
      'envelope :detail "from" ""',
      'envelope :is "to" "ken@example.org"',
      'address :is "bcc" "x@example.org"',
    ],
  },
  {
    name: 'comparators and RFC 5231',
    require: ['relational', 'comparator-i;ascii-numeric'],
    message: 'list',
    yes: [
      'header :value "gt" :comparator "i;ascii-numeric" "x-spam" "7"',
      'header :value "eq" :comparator "i;ascii-numeric" "x-priority" "10"',
      'header :is :comparator "i;ascii-numeric" "x-priority" "0010"',
      'header :value "ge" :comparator "i;ascii-numeric" "x-score" "42"',
      'not header :value "gt" :comparator "i;ascii-numeric" "x-score" "42"',
      'header :value "lt" :comparator "i;ascii-numeric" "x-score" "text"',
      'header :is :comparator "i;ascii-numeric" "x-star" "text"',
      'header :count "eq" :comparator "i;ascii-numeric" "received" "2"',
      'header :count "ge" :comparator "i;ascii-numeric" ["to", "cc"] ["2"]',
      'header :count "lt" :comparator "i;ascii-numeric" "x-none" "1"',
      'address :count "eq" :comparator "i;ascii-numeric" "from" "2"',
      'address :count "eq" :comparator "i;ascii-numeric" ["to", "cc"] ["4"]',
      'address :count "gt" :comparator "i;ascii-numeric" ["to"] ["2"]',
      'header :value "lt" "x-priority" "9"',
      'header :value "ne" "x-priority" "9"',
      'header :value "le" "x-priority" "010"',
      'header :value "gt" "list-id" "aaaa"',
      'header :value "lt" :comparator "i;octet" "list-id" "aaaa"',
    ],
    no: [
      'header :value "lt" :comparator "i;ascii-numeric" "x-priority" "9"',
      'header :count "eq" :comparator "i;ascii-numeric" "received" "1"',
      'header :value "lt" "list-id" "aaaa"',
    ],
  },
  {
    name: 'RFC 5260: date, currentdate and index',
    require: ['date', 'relational', 'index'],
    message: 'list',
    yes: [
      'date :is :originalzone "date" "date" "2026-11-25"',
      'date :is :zone "+0000" "date" "date" "2026-11-24"',
      'date :is :zone "+0000" "date" "hour" "23"',
      'date :is :originalzone "date" "hour" "00"',
      'date :is :originalzone "date" "time" "00:30:00"',
      'date :is :zone "+0530" "date" "time" "05:00:00"',
      'date :is :zone "-0500" "date" "iso8601" "2026-11-24T18:30:00-05:00"',
      'date :is :originalzone "date" "std11" "Wed, 25 Nov 2026 00:30:00 +0100"',
      'date :is :originalzone "date" "zone" "+0100"',
      'date :is :originalzone "date" "weekday" "3"',
      'date :is :zone "+0000" "date" "weekday" "2"',
      'date :is :originalzone "date" "year" "2026"',
      'date :is :originalzone "date" "month" "11"',
      'date :is :originalzone "date" "day" "25"',
      'date :is :originalzone "date" "minute" "30"',
      'date :is :originalzone "date" "second" "00"',
      'date :value "ge" :originalzone "date" "date" "2026-11-25"',
      'date :is :zone "+0000" "received" "hour" "09"',
      'not date :is "x-none" "year" "2026"',
      'not date :is "subject" "year" "2026"',
      'currentdate :value "ge" "year" "2026"',
      'currentdate :matches :zone "+0100" "iso8601" "????-??-??T??:??:??+01:00"',
      'header :index 1 :is "x-spam" "007"',
      'header :index 2 :is "x-spam" "12"',
      'header :index 1 :last :is "x-spam" "12"',
      'header :index 2 :last :is "x-spam" "007"',
      'not header :index 3 :contains "x-spam" ""',
    ],
    no: ['date :is "date" "year" "1999"', 'currentdate :value "lt" "year" "2026"'],
  },
  {
    name: 'RFC 5260: the Modified Julian Day',
    require: ['date'],
    message: 'list',
    yes: [],
    no: [],
    ours: { 'section 4.2: the date as it is in the zone': ['date :is :originalzone "date" "julian" "61369"'] },
  },
  {
    name: 'RFC 5260: index of dates',
    require: ['date', 'index'],
    message: 'list',
    yes: [],
    no: [],
    ours: {
      'section 6: index of the test date': [
        'date :is :index 2 :zone "+0000" "received" "minute" "29"',
        'date :is :index 1 :last :zone "+0000" "received" "second" "58"',
      ],
    },
  },
  {
    name: 'RFC 5173: body',
    require: ['body'],
    message: 'multipart',
    yes: [
      'body :contains "needle1"',
      'body :text :contains "Grüße"',
      'body :raw :contains "needle0"',
      'body :raw :contains "needle6"',
      'body :raw :contains "Gr=C3=BC"',
      'body :content "text" :contains "needle1"',
      'body :content "text/plain" :contains "needle1"',
      'body :content "application" :contains "needle3"',
      'body :content "application/pdf" :contains "needle3"',
      'body :content "" :contains "needle3"',
      'body :content "text" :contains "needle5"',
      'body :content ["image", "text"] :contains "needle1"',
    ],
    no: [
      'body :contains "needle3"',
      'body :content "text" :contains "needle3"',
      'body :content "image" :contains "needle"',
      'body :raw :contains "From: tim"',
      'body :content "text/html" :contains "needle1"',
    ],
    ours: {
      'section 5.2: the header of a message in the message': ['body :content "message/rfc822" :contains "needle4"'],
      'section 5.3: what is shown of HTML is its text': ['body :text :contains "needle2 ä"'],
    },
  },
  {
    name: 'RFC 5229: variables in strings',
    require: ['variables', 'relational', 'comparator-i;ascii-numeric'],
    message: 'list',
    before:
      'set "a" "Hello"; set "empty" ""; set :length "len" "Grüße"; set :upperfirst :lower "b" "juMBlEd lETteRS"; ' +
      'set :quotewildcard "q" "Rock*"; set "i" "${a}, ${unknown}!"; set :upper "up" "${a}"; set :lowerfirst "lf" "ABC"; ' +
      'set "dotted" "${a"; set "odd" "${1x} ${} ${a-b}"; set "_x9" "y";',
    yes: [
      'string "${a}" "Hello"',
      'string "${A}" "Hello"',
      'string "${i}" "Hello, !"',
      'string "${len}" "5"',
      'string :is :comparator "i;octet" "${b}" "Jumbled letters"',
      'string :is :comparator "i;octet" "${q}" "Rock\\\\*"',
      'string :is :comparator "i;octet" "${up}" "HELLO"',
      'string :is :comparator "i;octet" "${lf}" "aBC"',
      'string "${odd}" "${1x} ${} ${a-b}"',
      'string "${_x9}" "y"',
      'string "${empty}" ""',
      'string :count "eq" :comparator "i;ascii-numeric" ["a", "", "b"] "2"',
      'allof (header :matches "subject" "*[*] *", string "${1}" "", string "${2}" "acme-users", string "${3}" "[fwd] version 1.0 is out")',
      'allof (header :matches "subject" "[*] ?fwd?*", string "${1}-${2}-${3}" "acme-users-[-]")',
      'allof (header :matches "x-priority" "0?0", string "${0}${1}" "0101")',
    ],
    no: ['string "${a}" ""', 'string "${a}" "hell"', 'string :is :comparator "i;octet" "${a}" "hello"'],
  },
  {
    name: 'RFC 5232: hasflag',
    require: ['imap4flags', 'relational', 'comparator-i;ascii-numeric', 'variables'],
    message: 'list',
    before: 'setflag "A B"; addflag ["\\\\Deleted c", "a"]; removeflag "B"; setflag "mine" ["x y", "X"]; ',
    yes: [
      'hasflag "a"',
      'hasflag "\\\\deleted"',
      'hasflag ["nothing", "c"]',
      'hasflag :contains "del"',
      'hasflag :count "eq" :comparator "i;ascii-numeric" "3"',
      'hasflag "mine" "y"',
      'hasflag :count "eq" :comparator "i;ascii-numeric" "mine" "2"',
      'string "${mine}" "x y"',
    ],
    no: ['hasflag "B"', 'hasflag "mine" "a"', 'hasflag ""'],
  },
  {
    name: 'regex',
    require: ['regex', 'variables'],
    message: 'list',
    yes: [
      'header :regex "subject" "^\\\\[[a-z-]+\\\\]"',
      'header :regex "subject" "VERSION [0-9]+[.][0-9]"',
      'header :regex "x-priority" "^[[:digit:]]{3}$"',
      'not header :regex :comparator "i;octet" "subject" "VERSION"',
      'address :regex "from" "^(jm|two.*)@example"',
      'allof (header :regex "list-id" "<([^.>]+)[.]([^>]+)>", string "${1} ${2}" "acme-users example.net")',
    ],
    no: ['header :regex "subject" "^version"', 'header :regex "x-none" ".*"'],
  },
  {
    name: 'RFC 5703: mime in tests of headers',
    require: ['mime', 'foreverypart', 'relational', 'comparator-i;ascii-numeric'],
    message: 'multipart',
    yes: [
      'header :mime :type "content-type" "multipart"',
      'header :mime :subtype "content-type" "mixed"',
      'header :mime :contenttype "content-type" "multipart/mixed"',
      'header :mime :anychild :contenttype "content-type" "text/html"',
      'header :mime :anychild :param "filename" "content-disposition" "report.pdf"',
      'header :mime :anychild :param ["name", "charset"] "content-type" "utf-8"',
      'header :mime :anychild :matches :param "filename" "content-disposition" "*.pdf"',
      'exists :mime :anychild "content-disposition"',
    ],
    no: [
      'header :mime :type "content-type" "text"',
      'header :mime :contenttype "content-type" "text/html"',
      'exists :mime "content-disposition"',
    ],
  },
  {
    name: 'RFC 5463, RFC 5435: ihave and notify',
    require: ['ihave', 'enotify'],
    message: 'coyote',
    yes: [
      'ihave "fileinto"',
      'ihave ["fileinto", "envelope"]',
      'valid_notify_method "mailto:ann@example.org"',
      'notify_method_capability "mailto:ann@example.org" "Online" "maybe"',
    ],
    no: [
      'ihave "vnd.nothing"',
      'valid_notify_method "unknown:x"',
      'notify_method_capability "mailto:ann@example.org" "x" "y"',
    ],
  },
  {
    name: 'RFC 5293: addheader and deleteheader',
    require: ['editheader', 'index', 'variables', 'relational', 'comparator-i;ascii-numeric'],
    message: 'list',
    before: `addheader "X-Hello" "World";
addheader "X-Hello" "first";
addheader :last "X-Hello" "last";
addheader "X-Long" "${'word '.repeat(60)}end";
addheader "X-Name" "Jürgen";
deleteheader "List-ID";
deleteheader :is "X-Priority" "11";
deleteheader :index 1 :contains "Received" "b.example.net";
deleteheader :index 2 "X-Spam";
deleteheader :matches "X-Star" "*important*";
deleteheader "X-None";
addheader "X-Once" "a";
deleteheader :index 1 "X-Once";
deleteheader :index 1 :last "X-Empty";`,
    yes: [
      'exists "x-hello"',
      'header :count "eq" :comparator "i;ascii-numeric" "x-hello" "3"',
      'header :index 1 :is "x-hello" "first"',
      'header :index 2 :is "x-hello" "World"',
      'header :index 1 :last :is "x-hello" "last"',
      'header :contains "x-long" "word word word"',
      'header :matches "x-long" "*end"',
      'header :is "x-name" "Jürgen"',
      'not exists "list-id"',
      'header :is "x-priority" "010"',
      'header :count "eq" :comparator "i;ascii-numeric" "received" "2"',
      'header :is "x-spam" "007"',
      'header :count "eq" :comparator "i;ascii-numeric" "x-spam" "1"',
      'not exists "x-star"',
      'not exists "x-once"',
      'not exists "x-empty"',
      'header :is "subject" "[acme-users] [fwd] version 1.0 is out"',
    ],
    no: ['exists "list-id"', 'header :is "x-spam" "12"', 'header :is "x-hello" "none"'],
  },
]

export interface ScriptCase {
  readonly name: string
  readonly script: string
  readonly message?: MessageName
  /** As `summary` says it; `error` and a pattern for what the error says. */
  readonly does: string | RegExp
  readonly ours?: string
}

const one = (name: string, script: string, does: string | RegExp, more: Partial<ScriptCase> = {}): ScriptCase => ({
  ...{ name, script, does },
  ...more,
})

export const SCRIPTS: readonly ScriptCase[] = [
  one('RFC 5228 section 2.10.2: the implicit keep', '', 'into INBOX'),
  one('section 2.3: comments', '# one\n/* two\n * three */ keep; # four', 'into INBOX'),
  one(
    'section 2.4.2: multi-line strings',
    'require "fileinto"; if header :contains "subject" text:\r\nnothing\r\n.\r\n { fileinto "A"; }',
    'into INBOX',
  ),
  one(
    'section 3.1: if, elsif, else',
    'require "fileinto";\nif header :contains "from" "nobody" { fileinto "1"; } elsif header :contains "from" "COYOTE" { fileinto "2"; } else { fileinto "3"; }',
    'into 2',
  ),
  one(
    'section 3.1: else',
    'require "fileinto"; if false { fileinto "1"; } elsif false { fileinto "2"; } else { fileinto "3"; }',
    'into 3',
  ),
  one(
    'section 3.1: the second if',
    'require "fileinto"; if true { fileinto "1"; } if true { fileinto "2"; }',
    'into 1; into 2',
  ),
  one('section 3.3: stop', 'require "fileinto"; stop; fileinto "A";', 'into INBOX'),
  one(
    'section 4.1: fileinto',
    'require "fileinto"; if header :contains ["from"] "coyote" { fileinto "INBOX.harassment"; }',
    'into INBOX.harassment',
  ),
  one('section 4.2: redirect', 'redirect "bart@example.com";', 'redirect bart@example.com'),
  one('section 4.2: redirect and keep', 'redirect "bart@example.com"; keep;', 'into INBOX; redirect bart@example.com'),
  one('section 4.2: an address with a name', 'redirect "Bart <bart@example.com>";', 'redirect bart@example.com'),
  one('section 4.3: keep', 'if size :under 1M { keep; } else { discard; }', 'into INBOX'),
  one('section 4.4: discard', 'if header :contains ["from"] ["coyote@desert.example.org"] { discard; }', ''),
  one('section 4.4: discard and fileinto', 'require "fileinto"; discard; fileinto "A";', 'into A'),
  one(
    'section 9: the extended example',
    `require ["fileinto"];
if header :is "Sender" "owner-ietf-mta-filters@imc.org" { fileinto "filter"; }
elsif address :DOMAIN :is ["From", "To"] "example.com" { keep; }
elsif anyof (NOT address :all :contains ["To", "Cc", "Bcc"] "me@example.com", header :matches "subject" ["*make*money*fast*", "*university*dipl*mas*"]) { fileinto "spam"; }
else { fileinto "personal"; }`,
    'into spam',
  ),
  one(
    'section 9: the extended example, on the other message',
    `require ["fileinto"];
if header :is "Sender" "owner-ietf-mta-filters@imc.org" { fileinto "filter"; }
elsif address :DOMAIN :is ["From", "To"] "example.com" { keep; }
elsif anyof (NOT address :all :contains ["To", "Cc", "Bcc"] "me@example.com", header :matches "subject" ["*make*money*fast*"]) { fileinto "spam"; }
else { fileinto "personal"; }`,
    'into spam',
    { message: 'money' },
  ),
  one('RFC 3894: copy', 'require ["copy", "fileinto"]; fileinto :copy "incoming";', 'into INBOX; into incoming'),
  one(
    'RFC 3894: redirect with copy',
    'require "copy"; redirect :copy "b@example.com";',
    'into INBOX; redirect b@example.com',
  ),
  one('RFC 5429: reject', 'require "reject"; reject "I am not taking mail from you.";', 'reject'),
  one(
    'RFC 5429: ereject',
    'require "ereject"; if header :contains "from" "coyote" { ereject text:\r\nNo.\r\n.\r\n; stop; }',
    'reject',
    { ours: 'Dovecot does not have the extension' },
  ),
  one('RFC 5429 section 2.3: reject and keep', 'require "reject"; reject "no"; keep;', /reject/),
  one(
    'RFC 5232: flags of the implicit keep',
    'require "imap4flags"; setflag "\\\\Seen"; addflag ["\\\\Flagged", "work"];',
    'into INBOX \\flagged \\seen work',
  ),
  one(
    'RFC 5232: flags of fileinto',
    'require ["imap4flags", "fileinto"]; setflag "a"; fileinto :flags ["b c", "\\\\seen"] "X"; fileinto "Y";',
    'into X \\seen b c; into Y a',
  ),
  one('RFC 5232: keep with flags', 'require "imap4flags"; keep :flags "\\\\Seen";', 'into INBOX \\seen'),
  one('RFC 5232: no flags', 'require ["imap4flags", "fileinto"]; addflag "a"; fileinto :flags "" "X";', 'into X'),
  one(
    'RFC 5229 section 3: a mailbox of a list',
    'require ["variables", "fileinto"]; if header :matches "List-ID" "*<*.*" { fileinto "lists.${2}"; }',
    'into lists.acme-users',
    { message: 'list' },
  ),
  one(
    'RFC 5229: a match that fails leaves the variables',
    'require ["variables", "fileinto"]; if header :matches "x-priority" "0*" { } if header :matches "x-priority" "9*" { } fileinto "M${1}";',
    'into M10',
    { message: 'list' },
  ),
  one(
    'RFC 5229: redirect to a variable',
    'require "variables"; set "who" "ann"; redirect "${who}@example.org";',
    'redirect ann@example.org',
  ),
  one(
    'RFC 5260 section 4: date in a mailbox',
    'require ["date", "variables", "fileinto"]; if date :originalzone :matches "date" "month" "*" { fileinto "m${1}"; }',
    'into m11',
    { message: 'list' },
  ),
  one('RFC 5230: vacation', 'require "vacation"; vacation "Gone.";', 'into INBOX; vacation'),
  one(
    'RFC 5230: vacation with everything',
    'require "vacation"; vacation :days 23 :subject "Away" :addresses ["ken@example.org", "k@example.org"] :from "ken@example.org" :handle "h" "Gone.";',
    'into INBOX; vacation',
  ),
  one(
    'RFC 5230 section 4.7: vacation and fileinto',
    'require ["vacation", "fileinto"]; vacation "Gone."; fileinto "A";',
    'into A; vacation',
  ),
  one('RFC 6131: seconds', 'require "vacation-seconds"; vacation :seconds 1800 "Gone.";', 'into INBOX; vacation'),
  one(
    'RFC 5436: notify',
    'require "enotify"; notify :importance "1" :message "Mail" "mailto:a@example.org";',
    'into INBOX; notify',
  ),
  one(
    'RFC 5703: each part',
    'require ["foreverypart", "mime", "fileinto"]; foreverypart { if header :mime :contenttype "Content-Type" "text/html" { fileinto "html"; break; } }',
    'into html',
    { message: 'multipart' },
  ),
  one(
    'RFC 5703: text of a part',
    'require ["foreverypart", "mime", "extracttext", "variables", "fileinto"]; foreverypart { if header :mime :contenttype "content-type" "text/plain" { extracttext :first 2 "t"; break; } } fileinto "t-${t}";',
    'into t-Gr',
    { message: 'multipart' },
  ),
  one(
    'RFC 5703: break out of two loops',
    'require ["foreverypart", "mime", "fileinto"]; foreverypart :name "a" { foreverypart { break :name "a"; } fileinto "never"; } fileinto "end";',
    'into end',
    { message: 'multipart' },
  ),
  one(
    'draft-murchison-sieve-regex section 4: quoteregex',
    'require ["regex", "variables", "fileinto"]; set :quoteregex "q" "1.0 [x]"; fileinto "${q}";',
    'into 1\\.0 \\[x\\]',
    { ours: 'Dovecot does not have the modifier' },
  ),
  one(
    'RFC 5463: what is not there',
    'require ["ihave", "fileinto"]; if ihave "vnd.x" { frobnicate "x"; } else { fileinto "A"; }',
    'into A',
  ),
  one('RFC 5463: an extension that ihave found', 'require "ihave"; if ihave "fileinto" { fileinto "A"; }', 'into A'),
  one('RFC 5463: error', 'require "ihave"; error "no";', /no/),
  one(
    'RFC 6609: global in one script',
    'require ["include", "variables", "fileinto"]; global "a"; set "a" "x"; fileinto "G${a}";',
    'into Gx',
  ),
  one('encoded-character: nothing without require', 'require ["fileinto"]; fileinto "A${hex:41}";', 'into A${hex:41}'),
  // What is refused.
  one(
    'an extension that is not required',
    'fileinto "A";',
    /line 1, column 1: fileinto needs the extension "fileinto" \(add require "fileinto"; at the top\)/,
  ),
  one('an unknown extension', 'require "nothing";', /line 1, column 9: .*nothing/),
  one('require behind commands', 'keep;\nrequire "fileinto";', /line 2, column 1: require stands behind/),
  one('no semicolon', 'keep', /expected ';' or '\{' behind keep/),
  one('an unknown command', 'frobnicate;', /unknown command frobnicate/),
  one('an unknown test', 'if frobnicate { keep; }', /unknown test/),
  one('a test as a command', 'header "a" "b";', /header is a test/),
  one('no block', 'if true keep;', /error|if needs a block/),
  one('else without if', 'else { keep; }', /else without if/),
  one('elsif behind else', 'if true { } else { } elsif true { }', /elsif without if/),
  one('too many arguments', 'keep "x";', /keep takes no arguments, not 1/),
  one(
    'too few arguments',
    'if header "subject" { keep; }',
    /header takes 2 arguments, not 1 \(write header \["one", "two"\]/,
  ),
  one('a number for a string', 'redirect 1;', /is a string/),
  one('two match types', 'if header :is :contains "a" "b" { keep; }', /:contains stands beside :is/),
  one('a tag behind other arguments', 'if header "a" :is "b" { keep; }', /tags come first/),
  one('an unknown tag', 'if header :frob "a" "b" { keep; }', /header takes no :frob/),
  one('a string without an end', 'redirect "x', /a string has no end/),
  one('a comment without an end', '/* x', /a comment has no end/),
  one('a block without an end', 'if true {', /has no end/),
  one('a bracket too many', 'keep; }', /without a block/),
  one('no address', 'redirect "nobody";', /is not an address/),
  one('a field that holds no addresses', 'if address "subject" "x" { keep; }', /holds no addresses/),
  one('no name of a field', 'if header "a b" "x" { keep; }', /is not the name of a header field/, {
    ours: 'RFC 5228 section 2.4.2.2: names of header fields; Dovecot warns',
  }),
  one(
    'substrings of numbers',
    'require "comparator-i;ascii-numeric"; if header :contains :comparator "i;ascii-numeric" "a" "1" { keep; }',
    /cannot compare with :contains/,
  ),
  one('an unknown comparator', 'if header :comparator "i;none" "a" "1" { keep; }', /unknown comparator/),
  one('an unknown relation', 'require "relational"; if header :value "xx" "a" "1" { keep; }', /unknown relation/),
  one('no regular expression', 'require "regex"; if header :regex "a" "(" { keep; }', /is not a regular expression/),
  one('last without index', 'require "index"; if header :last "a" "1" { keep; }', /:last needs :index/),
  one('size without a tag', 'if size 100 { keep; }', /size takes no arguments|size needs/),
  one('vacation twice', 'require "vacation"; vacation "a"; vacation "b";', /vacation is used twice/),
  one('a number that is too large', 'if size :over 99999999999999G { keep; }', /too large/),
  one('not a zone', 'require "date"; if date :zone "x" "date" "hour" "1" { keep; }', /is not a zone/, {
    ours: 'RFC 5260 section 4.1; Dovecot warns',
  }),
  one('an unknown part of a date', 'require "date"; if date "date" "century" "1" { keep; }', /unknown part of a date/, {
    ours: 'RFC 5260 section 4.2; Dovecot warns',
  }),
  one('a variable as a name', 'require "variables"; set "${a}" "b";', /holds no variable/),
  one('a bad name of a variable', 'require "variables"; set "a b" "b";', /is not the name of a variable/),
  one(
    'no Unicode',
    'require ["encoded-character", "fileinto"]; fileinto "${unicode:D800}";',
    /is no Unicode character/,
  ),
  one(
    'an unknown part of the envelope',
    'require "envelope"; if envelope "subject" "x" { keep; }',
    /unknown part of the envelope/,
  ),
  one('not tests', 'if not (true, false) { keep; }', /not takes one test/),
  one('anyof nothing', 'if anyof { keep; }', /anyof needs tests/),
  one('a list that is empty', 'if header [] "x" { keep; }', /expected a string/),
  one('a method of notify', 'require "enotify"; notify "xmpp:x@y";', /is not a method/),
]
