/**
 * Texts that the server sends, in German: refusals of the API, alerts of the health. A text is its own key; `{{}}`
 * stands for a value.
 */
export const server: Readonly<Record<string, string>> = {
  'Confirm your password first': 'Bestätigen Sie zuerst Ihr Passwort',
  'Enter the code of the second factor': 'Geben Sie den Code des zweiten Faktors ein',
  'Log in first': 'Melden Sie sich zuerst an',
  'Name deliveries by ids or by a filter': 'Nennen Sie Zustellungen durch Kennungen oder einen Filter',
  'Name entries by ids or by a filter': 'Nennen Sie Einträge durch Kennungen oder einen Filter',
  'Name the new route': 'Nennen Sie den neuen Weg',
  'Remove the second factor first': 'Entfernen Sie zuerst den zweiten Faktor',
  'That is another account': 'Das ist ein anderes Konto',
  'The account has not taken this address': 'Das Konto hat diese Adresse nicht angelegt',
  'The administration is not used from this network': 'Die Verwaltung ist aus diesem Netz nicht erlaubt',
  'The browser did not make a valid passkey': 'Der Browser hat keinen gültigen Passkey erzeugt',
  'The code does not fit. Check the time of your device.':
    'Der Code stimmt nicht. Prüfen Sie die Uhrzeit Ihres Geräts.',
  'The code is wrong or was used already': 'Der Code ist falsch oder schon benutzt',
  'The language of this account is not kept here': 'Die Sprache dieses Kontos wird nicht hier gespeichert',
  'The list does not hold this post': 'Die Liste hält diesen Beitrag nicht zurück',
  'The password must not begin with $ or {': 'Das Passwort darf nicht mit $ oder { beginnen',
  'The post has changed meanwhile: look at it again':
    'Der Beitrag hat sich inzwischen geändert: Sehen Sie ihn noch einmal an',
  'The request does not come from a page of this server': 'Die Anfrage kommt nicht von einer Seite dieses Servers',
  'The server could not answer; the administrator finds the reason in the log':
    'Der Server konnte nicht antworten; der Administrator findet den Grund im Protokoll',
  'There is no such account': 'Dieses Konto gibt es nicht',
  'There is no such action': 'Diese Aktion gibt es nicht',
  'There is no such command, or your role does not include it':
    'Diesen Befehl gibt es nicht, oder Ihre Rolle erlaubt ihn nicht',
  'There is no such entry': 'Diesen Eintrag gibt es nicht',
  'There is no such key': 'Diesen Schlüssel gibt es nicht',
  'There is no such list': 'Diese Liste gibt es nicht',
  'There is no such login': 'Diese Anmeldung gibt es nicht',
  'There is no such member': 'Dieses Mitglied gibt es nicht',
  'There is no such message': 'Diese Nachricht gibt es nicht',
  'There is no such page': 'Diese Seite gibt es nicht',
  'There is no such passkey': 'Diesen Passkey gibt es nicht',
  'There is no such password': 'Dieses Passwort gibt es nicht',
  'There is no such row': 'Diese Zeile gibt es nicht',
  'There is no such task': 'Diesen Vorgang gibt es nicht',
  'There is nothing here': 'Hier ist nichts',
  'This login has no account': 'Zu dieser Anmeldung gehört kein Konto',
  'This login has no mailboxes': 'Zu dieser Anmeldung gehören keine Postfächer',
  'This message does not wait here': 'Diese Nachricht wartet nicht hier',
  'This message is not known, or its history has been removed':
    'Diese Nachricht ist unbekannt, oder ihr Verlauf wurde entfernt',
  'This server contacts no registry': 'Dieser Server fragt kein Verzeichnis von Plugins',
  'This server has no passkeys': 'Dieser Server hat keine Passkeys',
  'This server has no rules': 'Dieser Server hat keine Regeln',
  'This would stop the administration itself: use `iems component stop`':
    'Das würde die Verwaltung selbst anhalten: Benutzen Sie `iems component stop`',
  'Too many tasks run; wait for one to end': 'Zu viele Vorgänge laufen; warten Sie, bis einer endet',
  "Use the account's own password": 'Benutzen Sie das eigene Passwort des Kontos',
  'Use https to log in': 'Melden Sie sich über https an',
  'Your account may not do this': 'Ihr Konto darf das nicht',
  '{{}} is an address of this account': '{{}} ist eine Adresse dieses Kontos',
  'Mail is forwarded only within this server, and {{}} is outside':
    'Mail wird nur innerhalb dieses Servers weitergeleitet, und {{}} liegt außerhalb',

  // Health
  '{{}} free at {{}}': '{{}} frei in {{}}',
  'fewer than 5 % of inodes are free at {{}}': 'weniger als 5 % der Inodes sind frei in {{}}',
  'Free space or enlarge the disk: below store.minFree, new mail is deferred.':
    'Schaffen Sie Platz oder vergrößern Sie den Datenträger: Unter store.minFree wird neue Mail aufgeschoben.',
  'Free space or enlarge the disk before store.minFree is reached.':
    'Schaffen Sie Platz oder vergrößern Sie den Datenträger, bevor store.minFree erreicht ist.',
  'Remove files or enlarge the file system.': 'Entfernen Sie Dateien oder vergrößern Sie das Dateisystem.',
  'Name a PEM file that the server can read.': 'Nennen Sie eine PEM-Datei, die der Server lesen kann.',
  'See iems queue list and iems component list.': 'Siehe iems queue list und iems component list.',
  'See the log of {{}}.': 'Siehe das Protokoll von {{}}.',
  '{{}}: its health is not known: {{}}': '{{}}: Der Zustand ist unbekannt: {{}}',
  '{{}} has failed: {{}}': '{{}} ist ausgefallen: {{}}',
  '{{}} has failed': '{{}} ist ausgefallen',
  '{{}} is stopped': '{{}} ist angehalten',
  'Start {{}} at {{}}, or correct the address in {{}}.':
    'Starten Sie {{}} auf {{}}, oder berichtigen Sie die Adresse in {{}}.',
}
