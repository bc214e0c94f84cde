/**
 * The published attribute types and classes: RFC 4512, 4519, 4523, 4524, 2798, 2307, 3112 and the server's own.
 *
 * Invariants: one definition per line, published as it is written here.
 */

/** UUID-based OIDs (X.667) for the server's own definitions. */
const OURS = '2.25.210284376310183917403716295126302611337'

/** OID, names, syntax; then `1` for one value, `op` for operational, `dsa` for a fact of the server, `<` and the supertype. */
export const TYPES = `
2.5.4.41 name text
2.5.4.49 distinguishedName dn
2.5.4.0 objectClass oid
2.5.4.1 aliasedObjectName,aliasedEntryName dn 1
2.5.4.3 cn,commonName text <name
2.5.4.4 sn,surname text <name
2.5.4.5 serialNumber printable
2.5.4.6 c,countryName country 1,<name
2.5.4.7 l,localityName text <name
2.5.4.8 st,stateOrProvinceName text <name
2.5.4.9 street,streetAddress text
2.5.4.10 o,organizationName text <name
2.5.4.11 ou,organizationalUnitName text <name
2.5.4.12 title text <name
2.5.4.13 description text
2.5.4.14 searchGuide guide
2.5.4.15 businessCategory text
2.5.4.16 postalAddress postal
2.5.4.17 postalCode text
2.5.4.18 postOfficeBox text
2.5.4.19 physicalDeliveryOfficeName text
2.5.4.20 telephoneNumber phone
2.5.4.21 telexNumber telex
2.5.4.22 teletexTerminalIdentifier teletex
2.5.4.23 facsimileTelephoneNumber,fax phone
2.5.4.24 x121Address numeric
2.5.4.25 internationaliSDNNumber numeric
2.5.4.26 registeredAddress postal <postalAddress
2.5.4.27 destinationIndicator printable
2.5.4.28 preferredDeliveryMethod delivery 1
2.5.4.29 presentationAddress text 1
2.5.4.30 supportedApplicationContext oid
2.5.4.31 member dn <distinguishedName
2.5.4.32 owner dn <distinguishedName
2.5.4.33 roleOccupant dn <distinguishedName
2.5.4.34 seeAlso dn <distinguishedName
2.5.4.35 userPassword octets
2.5.4.36 userCertificate certificate
2.5.4.37 cACertificate certificate
2.5.4.38 authorityRevocationList revocations
2.5.4.39 certificateRevocationList revocations
2.5.4.42 givenName,gn text <name
2.5.4.43 initials text <name
2.5.4.44 generationQualifier text <name
2.5.4.45 x500UniqueIdentifier octets
2.5.4.46 dnQualifier printable
2.5.4.47 enhancedSearchGuide guide
2.5.4.50 uniqueMember unique
2.5.4.51 houseIdentifier text
0.9.2342.19200300.100.1.1 uid,userid text
0.9.2342.19200300.100.1.2 textEncodedORAddress text
0.9.2342.19200300.100.1.3 mail,rfc822Mailbox ia5
0.9.2342.19200300.100.1.4 info text
0.9.2342.19200300.100.1.5 drink,favouriteDrink text
0.9.2342.19200300.100.1.6 roomNumber text
0.9.2342.19200300.100.1.7 photo octets
0.9.2342.19200300.100.1.8 userClass text
0.9.2342.19200300.100.1.9 host text
0.9.2342.19200300.100.1.10 manager dn
0.9.2342.19200300.100.1.11 documentIdentifier text
0.9.2342.19200300.100.1.12 documentTitle text
0.9.2342.19200300.100.1.13 documentVersion text
0.9.2342.19200300.100.1.14 documentAuthor dn
0.9.2342.19200300.100.1.15 documentLocation text
0.9.2342.19200300.100.1.20 homePhone,homeTelephoneNumber phone
0.9.2342.19200300.100.1.21 secretary dn
0.9.2342.19200300.100.1.25 dc,domainComponent ia5 1
0.9.2342.19200300.100.1.37 associatedDomain ia5
0.9.2342.19200300.100.1.38 associatedName dn
0.9.2342.19200300.100.1.39 homePostalAddress postal
0.9.2342.19200300.100.1.40 personalTitle text
0.9.2342.19200300.100.1.41 mobile,mobileTelephoneNumber phone
0.9.2342.19200300.100.1.42 pager,pagerTelephoneNumber phone
0.9.2342.19200300.100.1.43 co,friendlyCountryName text
0.9.2342.19200300.100.1.44 uniqueIdentifier text
0.9.2342.19200300.100.1.45 organizationalStatus text
0.9.2342.19200300.100.1.47 mailPreferenceOption integer 1
0.9.2342.19200300.100.1.48 buildingName text
0.9.2342.19200300.100.1.55 audio octets
0.9.2342.19200300.100.1.56 documentPublisher text
0.9.2342.19200300.100.1.60 jpegPhoto jpeg
1.3.6.1.4.1.250.1.57 labeledURI exact
2.16.840.1.113730.3.1.1 carLicense text
2.16.840.1.113730.3.1.2 departmentNumber text
2.16.840.1.113730.3.1.3 employeeNumber text 1
2.16.840.1.113730.3.1.4 employeeType text
2.16.840.1.113730.3.1.13 mailLocalAddress ia5
2.16.840.1.113730.3.1.18 mailHost ia5 1
2.16.840.1.113730.3.1.34 ref exact
2.16.840.1.113730.3.1.39 preferredLanguage text 1
2.16.840.1.113730.3.1.40 userSMIMECertificate octets
2.16.840.1.113730.3.1.47 mailRoutingAddress ia5
2.16.840.1.113730.3.1.216 userPKCS12 octets
2.16.840.1.113730.3.1.241 displayName text 1
1.3.6.1.4.1.42.2.27.2.1.15 rfc822MailMember ia5
1.3.6.1.1.1.1.0 uidNumber integer 1
1.3.6.1.1.1.1.1 gidNumber integer 1
1.3.6.1.1.1.1.2 gecos ia5 1
1.3.6.1.1.1.1.3 homeDirectory ia5exact 1
1.3.6.1.1.1.1.4 loginShell ia5exact 1
1.3.6.1.1.1.1.5 shadowLastChange integer 1
1.3.6.1.1.1.1.6 shadowMin integer 1
1.3.6.1.1.1.1.7 shadowMax integer 1
1.3.6.1.1.1.1.8 shadowWarning integer 1
1.3.6.1.1.1.1.9 shadowInactive integer 1
1.3.6.1.1.1.1.10 shadowExpire integer 1
1.3.6.1.1.1.1.11 shadowFlag integer 1
1.3.6.1.1.1.1.12 memberUid ia5exact
${OURS}.1 iems-quota integer 1
${OURS}.2 iems-status text 1
${OURS}.3 iems-forward-keep boolean 1
${OURS}.4 iems-route text 1
${OURS}.5 iems-role text
${OURS}.6 iems-may-relay boolean 1
${OURS}.7 iems-send-as ia5
${OURS}.8 iems-senders text 1
${OURS}.9 iems-match ia5 1
${OURS}.10 iems-target ia5
${OURS}.11 iems-name ia5 1
${OURS}.12 iems-alias-of ia5 1
${OURS}.13 iems-catch-all ia5 1
${OURS}.14 iems-list text 1
2.5.18.1 createTimestamp time 1,op
2.5.18.2 modifyTimestamp time 1,op
2.5.18.3 creatorsName dn 1,op
2.5.18.4 modifiersName dn 1,op
2.5.18.9 hasSubordinates boolean 1,op
2.5.18.10 subschemaSubentry dn 1,op
2.5.21.4 matchingRules rules op
2.5.21.5 attributeTypes types op
2.5.21.6 objectClasses classes op
2.5.21.8 matchingRuleUse uses op
2.5.21.9 structuralObjectClass oid 1,op
1.3.6.1.4.1.1466.101.120.16 ldapSyntaxes syntaxes op
1.3.6.1.1.16.4 entryUUID uuid 1,op
1.3.6.1.1.20 entryDN dn 1,op
1.2.840.113556.1.2.102 memberOf dn op
1.3.6.1.4.1.1466.101.120.5 namingContexts dn dsa
1.3.6.1.4.1.1466.101.120.6 altServer ia5exact dsa
1.3.6.1.4.1.1466.101.120.7 supportedExtension oid dsa
1.3.6.1.4.1.1466.101.120.13 supportedControl oid dsa
1.3.6.1.4.1.1466.101.120.14 supportedSASLMechanisms text dsa
1.3.6.1.4.1.1466.101.120.15 supportedLDAPVersion integer dsa
1.3.6.1.4.1.4203.1.3.5 supportedFeatures oid dsa
1.3.6.1.1.4 vendorName exact 1,dsa
1.3.6.1.1.5 vendorVersion exact 1,dsa
1.2.840.113556.1.4.484 defaultNamingContext dn 1,dsa
`

const PERSON_ADDRESS =
  'x121Address registeredAddress destinationIndicator preferredDeliveryMethod telexNumber teletexTerminalIdentifier telephoneNumber internationaliSDNNumber facsimileTelephoneNumber street postOfficeBox postalCode postalAddress physicalDeliveryOfficeName st l'
const PLACE = `userPassword searchGuide seeAlso businessCategory ${PERSON_ADDRESS} description`

/** OID, name, kind, superclass; required and optional attributes. */
export const CLASS_LINES = `
2.5.6.0 top ABSTRACT - | objectClass |
2.5.6.1 alias STRUCTURAL top | aliasedObjectName |
2.5.6.2 country STRUCTURAL top | c | searchGuide description
2.5.6.3 locality STRUCTURAL top | | street seeAlso searchGuide st l description
2.5.6.4 organization STRUCTURAL top | o | ${PLACE}
2.5.6.5 organizationalUnit STRUCTURAL top | ou | ${PLACE}
2.5.6.6 person STRUCTURAL top | sn cn | userPassword telephoneNumber seeAlso description
2.5.6.7 organizationalPerson STRUCTURAL person | | title ou ${PERSON_ADDRESS}
2.5.6.8 organizationalRole STRUCTURAL top | cn | seeAlso roleOccupant ou description ${PERSON_ADDRESS}
2.5.6.9 groupOfNames STRUCTURAL top | cn | member businessCategory seeAlso owner ou o description
2.5.6.10 residentialPerson STRUCTURAL person | l | businessCategory ${PERSON_ADDRESS}
2.5.6.11 applicationProcess STRUCTURAL top | cn | seeAlso ou l description
2.5.6.14 device STRUCTURAL top | cn | serialNumber seeAlso owner ou o l description
2.5.6.15 strongAuthenticationUser AUXILIARY top | userCertificate |
2.5.6.17 groupOfUniqueNames STRUCTURAL top | cn | uniqueMember businessCategory seeAlso owner ou o description
2.5.6.21 pkiUser AUXILIARY top | | userCertificate
2.5.20.1 subschema AUXILIARY top | | matchingRules attributeTypes objectClasses matchingRuleUse
2.5.17.0 subentry STRUCTURAL top | cn |
1.3.6.1.4.1.1466.344 dcObject AUXILIARY top | dc |
1.3.6.1.1.3.1 uidObject AUXILIARY top | uid |
1.3.6.1.4.1.250.3.1 labeledURIObject AUXILIARY top | | labeledURI
1.3.6.1.4.1.1466.101.120.111 extensibleObject AUXILIARY top | |
2.16.840.1.113730.3.2.6 referral STRUCTURAL top | ref |
2.16.840.1.113730.3.2.2 inetOrgPerson STRUCTURAL organizationalPerson | | audio businessCategory carLicense departmentNumber displayName employeeNumber employeeType givenName homePhone homePostalAddress initials jpegPhoto labeledURI mail manager mobile o pager photo roomNumber secretary uid userCertificate x500UniqueIdentifier preferredLanguage userSMIMECertificate userPKCS12
2.16.840.1.113730.3.2.147 inetLocalMailRecipient AUXILIARY top | | mailLocalAddress mailHost mailRoutingAddress
0.9.2342.19200300.100.4.4 pilotPerson STRUCTURAL person | | uid textEncodedORAddress mail drink roomNumber userClass homePhone homePostalAddress secretary personalTitle mailPreferenceOption businessCategory mobile pager co uniqueIdentifier organizationalStatus
0.9.2342.19200300.100.4.5 account STRUCTURAL top | uid | description seeAlso l o ou host
0.9.2342.19200300.100.4.6 document STRUCTURAL top | documentIdentifier | cn description seeAlso l o ou documentTitle documentVersion documentAuthor documentLocation documentPublisher
0.9.2342.19200300.100.4.7 room STRUCTURAL top | cn | roomNumber description seeAlso telephoneNumber
0.9.2342.19200300.100.4.13 domain STRUCTURAL top | dc | associatedName o ${PLACE}
0.9.2342.19200300.100.4.14 RFC822localPart STRUCTURAL domain | | cn sn
0.9.2342.19200300.100.4.17 domainRelatedObject AUXILIARY top | associatedDomain |
0.9.2342.19200300.100.4.18 friendlyCountry STRUCTURAL country | co |
0.9.2342.19200300.100.4.19 simpleSecurityObject AUXILIARY top | userPassword |
1.3.6.1.1.1.2.0 posixAccount AUXILIARY top | cn uid uidNumber gidNumber homeDirectory | userPassword loginShell gecos description
1.3.6.1.1.1.2.1 shadowAccount AUXILIARY top | uid | userPassword shadowLastChange shadowMin shadowMax shadowWarning shadowInactive shadowExpire shadowFlag description
1.3.6.1.1.1.2.2 posixGroup AUXILIARY top | gidNumber | userPassword memberUid description
${OURS}.101 iems-account AUXILIARY top | | iems-quota iems-status iems-forward-keep iems-route iems-role iems-may-relay iems-send-as
${OURS}.102 iems-group AUXILIARY top | | mail rfc822MailMember iems-senders
${OURS}.103 iems-domain STRUCTURAL top | iems-name | iems-alias-of iems-catch-all
${OURS}.104 iems-alias STRUCTURAL top | iems-match iems-target |
${OURS}.105 iems-route STRUCTURAL top | iems-match iems-route |
${OURS}.106 iems-container STRUCTURAL top | iems-list |
`

/** Matching rules (RFC 4517, RFC 4530) with their OIDs and assertion syntax. */
export const RULE_LINES = `
2.5.13.0 objectIdentifierMatch 38
2.5.13.1 distinguishedNameMatch 12
2.5.13.2 caseIgnoreMatch 15
2.5.13.4 caseIgnoreSubstringsMatch 58
2.5.13.5 caseExactMatch 15
2.5.13.7 caseExactSubstringsMatch 58
2.5.13.8 numericStringMatch 36
2.5.13.10 numericStringSubstringsMatch 58
2.5.13.11 caseIgnoreListMatch 41
2.5.13.12 caseIgnoreListSubstringsMatch 58
2.5.13.13 booleanMatch 7
2.5.13.14 integerMatch 27
2.5.13.15 integerOrderingMatch 27
2.5.13.20 telephoneNumberMatch 50
2.5.13.21 telephoneNumberSubstringsMatch 58
2.5.13.23 uniqueMemberMatch 34
2.5.13.27 generalizedTimeMatch 24
2.5.13.28 generalizedTimeOrderingMatch 24
2.5.13.30 objectIdentifierFirstComponentMatch 38
1.3.6.1.4.1.1466.109.114.1 caseExactIA5Match 26
1.3.6.1.4.1.1466.109.114.2 caseIgnoreIA5Match 26
1.3.6.1.4.1.1466.109.114.3 caseIgnoreIA5SubstringsMatch 58
1.3.6.1.1.16.2 UUIDMatch 1.3.6.1.1.16.1
1.3.6.1.1.16.3 UUIDOrderingMatch 1.3.6.1.1.16.1
`

export const words = (text = '') =>
  text
    .trim()
    .split(/\s+/)
    .filter((word) => word !== '')
export const linesOf = (text: string) => text.trim().split('\n')
