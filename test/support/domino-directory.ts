/** Domino's LDAP as slapd imitates it: classes and attributes by their names in Domino, and a few people. */
import type { SlapdOptions } from './slapd.ts'

const text = (oid: number, name: string) =>
  `( 1.3.6.1.4.1.4203.666.1.${oid} NAME '${name}' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )`

export const DOMINO: SlapdOptions = {
  suffix: 'o=Acme',
  attributeTypes: ['mailaddress', 'mailfile', 'mailserver', 'maildomain', 'mailsystem', 'grouptype'].map((name, n) =>
    text(100 + n, name),
  ),
  objectClasses: [
    "( 1.3.6.1.4.1.4203.666.2.100 NAME 'dominoPerson' SUP top AUXILIARY MAY ( mail $ mailaddress $ mailfile $ mailserver $ maildomain $ mailsystem ) )",
    "( 1.3.6.1.4.1.4203.666.2.101 NAME 'dominoGroup' SUP top AUXILIARY MAY ( mail $ mailaddress $ grouptype ) )",
  ],
  ldif: `dn: o=Acme
objectClass: organization
o: Acme

dn: ou=Sales,o=Acme
objectClass: organizationalUnit
ou: Sales

dn: cn=Ann Smith,ou=Sales,o=Acme
objectClass: inetOrgPerson
objectClass: dominoPerson
cn: Ann Smith
sn: Smith
givenName: Ann
uid: asmith
mail: ann.smith@acme.test
mailfile: mail\\asmith
mailserver: CN=Hub,O=Acme

dn: cn=Zoë Öberg,o=Acme
objectClass: inetOrgPerson
objectClass: dominoPerson
cn: Zoë Öberg
sn: Öberg
uid: zoberg
mailfile: mail\\zoberg

dn: cn=Ed Poe,o=Acme
objectClass: inetOrgPerson
objectClass: dominoPerson
cn: Ed Poe
sn: Poe
uid: epoe
mail: epoe@acme.test
mailaddress: ed@example.org
mailsystem: 5

dn: cn=Chemists,o=Acme
objectClass: groupOfNames
objectClass: dominoGroup
cn: Chemists
mail: chemists@acme.test
grouptype: 0
member: cn=Ann Smith,ou=Sales,o=Acme
member: cn=Ed Poe,o=Acme

dn: cn=Gone,o=Acme
objectClass: groupOfNames
objectClass: dominoGroup
cn: Gone
grouptype: 3
member: cn=Ed Poe,o=Acme
`,
}
