/** Messages that Sieve scripts are tried on. */

const crlf = (text: string) => text.replaceAll('\n', '\r\n')

export const MESSAGES = {
  /** RFC 5228 section 1.2. */
  coyote: crlf(`Date: Tue, 1 Apr 1997 09:06:31 -0800 (PST)
From: coyote@desert.example.org
To: roadrunner@acme.example.com
Subject: I have a present for you

Look, I'm sorry about the whole anvil thing, and I really
didn't mean to try and drop it on you from the top of the
cliff.  I want to try to make it up to you.  I've got some
great birdseed over here at my place--top of the line
stuff--and if you come by, I'll have it all wrapped up
for you.  I'm really sorry for all the problems I've caused
for you over the years, but I know we can work this out.
--
Wile E. Coyote   "Super Genius"   coyote@desert.example.org
`),
  /** RFC 5228 section 1.2. */
  money: crlf(`From: youcouldberich!@reply-by-postal-mail.invalid
Sender: b1ff@de.res.example.com
To: rube@landru.example.com
Date:  Mon, 31 Mar 1997 18:26:10 -0800
Subject: $$$ YOU, TOO, CAN BE A MILLIONAIRE! $$$

YOU MAY HAVE ALREADY WON TEN MILLION DOLLARS, BUT I DOUBT
IT!  SO JUST POST THIS TO SIX HUNDRED NEWSGROUPS!  IT WILL
GUARANTEE THAT YOU GET AT LEAST FIVE RESPONSES WITH MONEY!
MONEY! MONEY! COLD HARD CASH! YOU WILL RECEIVE OVER
$20,000 IN LESS THAN TWO MONTHS!  AND IT'S LEGAL!!!!!!!!!
!!!!!!!!!!!!!!!!!!111111111!!!!!!!11111111111!!1  JUST
SEND $5 IN SMALL, UNMARKED BILLS TO THE ADDRESSES BELOW!
`),
  list: crlf(`Return-Path: <bounce@lists.example.net>
Received: from b.example.net by c.example.com; Wed, 25 Nov 2026 10:30:00 +0100
Received: from a.example.net by b.example.net; Wed, 25 Nov 2026 09:29:58 +0000
From: =?utf-8?q?J=C3=BCrgen_M=C3=BCller?= <jm@example.net>, "Second, One" <two+tag@Example.NET>
To: ken+sieve@example.org, Group: a@one.example, b@two.example;, undisclosed
Cc: "Ann (work)" <ann@example.com>
Subject: [acme-users] [fwd]
 version 1.0 is out
Date: Wed, 25 Nov 2026 00:30:00 +0100
Message-ID: <abc@example.net>
List-ID: Acme Users <acme-users.example.net>
X-Priority: 010
X-Score: 42.5
X-Empty:
X-Star: *important*? \\o/
X-Spam: 007
X-Spam: 12

Hi all,

the new version is out.
`),
  /** What examples of the RFCs look for. */
  wanted: crlf(`Return-Path: <tim@example.com>
Received: from mx.example.com by b.example.com; Wed, 08 Feb 2006 01:15:00 -0500
Received: from c.example.org by mx.example.com; Wed, 08 Feb 2006 01:14:00 -0500
Message-ID: <sieve-examples@example.com>
From: "Tim" <tim@example.com>, boss@example.com
Sender: owner-ietf-mta-filters@imc.org
To: sievemailinglist@example.org, ken+sieve@example.org, me@company.example.com
Cc: tmartin@example.com
Subject: [acme-users] MAKE MONEY FAST!!! $$$ Your dog, money
Date: Sat, 11 Feb 2006 09:26:00 -0800
X-Priority: 1
X-Mailer: Spam Tool 3
X-Attached: image
X-Hello: one
X-Hello: two
X-Hello: three
X-Sieve-Filtered: <kim@home.example.com>
X-Spam: yes
Importance: high
Precedence: normal
List-ID: Acme Users <acme-users@example.org>
List-Post: <mailto:x@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

MAKE MONEY FAST. The project schedule has the coordinates of the missile.
--b
Content-Type: application/exe
Content-Disposition: attachment; filename="setup.com"

binary
--b--
`),
  multipart: crlf(`From: tim@example.com
To: me@example.com
Subject: parts
Date: Mon, 01 Jun 2026 12:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

Preamble with needle0.
--outer
Content-Type: multipart/alternative; boundary="inner"

--inner
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Gr=C3=BC=C3=9Fe needle1
--inner
Content-Type: text/html; charset=iso-8859-1
Content-Transfer-Encoding: base64

PHA+PGI+bmVlZDwvYj5sZTIg5DwvcD4=
--inner--

--outer
Content-Type: application/pdf; name="report.pdf"
Content-Disposition: attachment; filename="report.pdf"
Content-Transfer-Encoding: base64

bmVlZGxlMw==
--outer
Content-Type: message/rfc822

From: inner@example.com
Subject: inner needle4
Content-Type: text/plain

needle5 in the forwarded message
--outer--
Epilogue needle6.
`),
} as const
export type MessageName = keyof typeof MESSAGES
