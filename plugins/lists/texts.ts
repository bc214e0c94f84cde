/**
 * The words of what a list writes, in its language.
 */
import { decodeWords } from 'iems/mime'
import type { Language, MailingList, Member } from './api.ts'

const shown = (subject: string) => (subject === '' ? '-' : decodeWords(subject).slice(0, 200))

const en = {
  heldSubject: (list: string) => `Your message to ${list} awaits moderator approval`,
  heldText: (list: string, subject: string, why: string) =>
    `Your message to ${list} with the subject\n\n  ${shown(subject)}\n\nis held until a moderator of the list has seen it. Reason: ${why}.\n`,
  sentSubject: (list: string) => `Your message was sent to ${list}`,
  sentText: (list: string, subject: string) =>
    `Your message with the subject\n\n  ${shown(subject)}\n\nwas sent to the members of ${list}.\n`,
  rejectedSubject: (list: string) => `Your message to ${list} was rejected`,
  rejectedText: (list: string, subject: string, why: string) =>
    `A moderator rejected your message to ${list} with the subject\n\n  ${shown(subject)}\n\n${why === '' ? '' : `${why}\n`}`,
  confirmSubject: (action: string, list: string) => `Please confirm: ${action} ${list}`,
  confirmText: (action: string, list: string, address: string, url: string | undefined, days: number) =>
    `Someone, possibly you, asked to ${action} the mailing list ${list} with the address ${address}.\n\nTo confirm, reply to this message${url === undefined ? '.' : ` or open\n\n  ${url}\n`}\n\nThe request expires after ${days} days. If you did not ask for this, ignore this message.\n`,
  actions: {
    subscribe: 'subscribe to',
    unsubscribe: 'leave',
    set: 'change the options of',
    options: 'change the options of',
  },
  welcomeSubject: (list: string) => `Welcome to ${list}`,
  goodbyeSubject: (list: string) => `You have left ${list}`,
  moderateSubject: (list: string, what: string) => `${list}: ${what} awaits a decision`,
  moderateText: (list: string, what: string, why: string, id: string) =>
    `${list} holds ${what}.\nReason: ${why}.\n\nReply to this message with one of these words in the first line:\n\n  approve\n  reject A reason for the author\n  discard\n  allow     (approve, and accept further posts of this author)\n\nThe message is ${id} in "iems list held ${list}".\n`,
  results: 'Results of your commands',
  optionsText: (list: string, url: string) => `Options of your membership of ${list}:\n\n  ${url}\n`,
  warningSubject: (list: string) => `Mail of ${list} to you is suspended`,
  warningText: (list: string, url: string | undefined) =>
    `Messages of the mailing list ${list} to your address came back. The list sends you no more until you reply to this message${url === undefined ? '' : ` or open\n\n  ${url}\n\n`}. Without an answer your membership ends after some of these messages.\n`,
  probeSubject: (list: string) => `${list} checks your address`,
  probeText: (list: string) =>
    `Messages of the mailing list ${list} to your address came back. This message checks whether your address works. You need not answer it.\n`,
  digestSubject: (list: string, number: number) => `${list} digest ${number}`,
  contents: 'Today’s topics:',
}

const de: typeof en = {
  ...en,
  heldSubject: (list) => `Ihre Nachricht an ${list} wartet auf Freigabe`,
  heldText: (list, subject, why) =>
    `Ihre Nachricht an ${list} mit dem Betreff\n\n  ${shown(subject)}\n\nwird zurückgehalten, bis ein Moderator der Liste sie gesehen hat. Grund: ${why}.\n`,
  sentSubject: (list) => `Ihre Nachricht wurde an ${list} gesendet`,
  sentText: (list, subject) =>
    `Ihre Nachricht mit dem Betreff\n\n  ${shown(subject)}\n\nwurde an die Mitglieder von ${list} gesendet.\n`,
  rejectedSubject: (list) => `Ihre Nachricht an ${list} wurde abgelehnt`,
  rejectedText: (list, subject, why) =>
    `Ein Moderator hat Ihre Nachricht an ${list} mit dem Betreff\n\n  ${shown(subject)}\n\nabgelehnt.\n\n${why === '' ? '' : `${why}\n`}`,
  confirmSubject: (action, list) => `Bitte bestätigen: ${list} ${action}`,
  confirmText: (action, list, address, url, days) =>
    `Für die Adresse ${address} wurde darum gebeten, die Mailingliste ${list} zu ${action}.\n\nBestätigen Sie, indem Sie auf diese Nachricht antworten${url === undefined ? '.' : ` oder diese Seite öffnen:\n\n  ${url}\n`}\n\nDie Bitte verfällt nach ${days} Tagen. Wenn sie nicht von Ihnen kam, beachten Sie diese Nachricht nicht.\n`,
  actions: { subscribe: 'abonnieren', unsubscribe: 'verlassen', set: 'ändern', options: 'ändern' },
  welcomeSubject: (list) => `Willkommen bei ${list}`,
  goodbyeSubject: (list) => `Sie haben ${list} verlassen`,
  results: 'Ergebnis Ihrer Befehle',
  optionsText: (list, url) => `Einstellungen Ihrer Mitgliedschaft bei ${list}:\n\n  ${url}\n`,
  warningSubject: (list) => `${list} sendet Ihnen keine Nachrichten mehr`,
  warningText: (list, url) =>
    `Nachrichten der Mailingliste ${list} an Ihre Adresse kamen zurück. Die Liste sendet Ihnen nichts mehr, bis Sie auf diese Nachricht antworten${url === undefined ? '' : ` oder diese Seite öffnen:\n\n  ${url}\n\n`}. Ohne Antwort endet Ihre Mitgliedschaft nach einigen solcher Nachrichten.\n`,
  digestSubject: (list, number) => `${list} Sammelnachricht ${number}`,
  contents: 'Themen:',
}

const fr: typeof en = {
  ...en,
  heldSubject: (list) => `Votre message à ${list} attend l’accord d’un modérateur`,
  heldText: (list, subject, why) =>
    `Votre message à ${list} ayant pour objet\n\n  ${shown(subject)}\n\nest retenu jusqu’à ce qu’un modérateur de la liste l’ait lu. Raison : ${why}.\n`,
  sentSubject: (list) => `Votre message a été envoyé à ${list}`,
  sentText: (list, subject) =>
    `Votre message ayant pour objet\n\n  ${shown(subject)}\n\na été envoyé aux membres de ${list}.\n`,
  rejectedSubject: (list) => `Votre message à ${list} a été refusé`,
  rejectedText: (list, subject, why) =>
    `Un modérateur a refusé votre message à ${list} ayant pour objet\n\n  ${shown(subject)}\n\n${why === '' ? '' : `${why}\n`}`,
  confirmSubject: (action, list) => `Confirmation demandée : ${action} ${list}`,
  confirmText: (action, list, address, url, days) =>
    `Une demande a été faite pour l’adresse ${address} : ${action} la liste ${list}.\n\nPour confirmer, répondez à ce message${url === undefined ? '.' : ` ou ouvrez\n\n  ${url}\n`}\n\nLa demande expire après ${days} jours. Si elle ne vient pas de vous, ignorez ce message.\n`,
  actions: {
    subscribe: 's’abonner à',
    unsubscribe: 'quitter',
    set: 'changer les options de',
    options: 'changer les options de',
  },
  welcomeSubject: (list) => `Bienvenue sur ${list}`,
  goodbyeSubject: (list) => `Vous avez quitté ${list}`,
  results: 'Résultat de vos commandes',
  optionsText: (list, url) => `Options de votre abonnement à ${list} :\n\n  ${url}\n`,
  warningSubject: (list) => `${list} ne vous envoie plus de messages`,
  warningText: (list, url) =>
    `Des messages de la liste ${list} à votre adresse sont revenus. La liste ne vous envoie plus rien jusqu’à ce que vous répondiez à ce message${url === undefined ? '' : ` ou ouvriez\n\n  ${url}\n\n`}. Sans réponse, votre abonnement prend fin après quelques messages comme celui-ci.\n`,
  digestSubject: (list, number) => `${list} recueil ${number}`,
  contents: 'Sujets :',
}

const es: typeof en = {
  ...en,
  heldSubject: (list) => `Su mensaje a ${list} espera a un moderador`,
  heldText: (list, subject, why) =>
    `Su mensaje a ${list} con el asunto\n\n  ${shown(subject)}\n\nqueda retenido hasta que lo vea un moderador de la lista. Motivo: ${why}.\n`,
  sentSubject: (list) => `Su mensaje se envió a ${list}`,
  sentText: (list, subject) =>
    `Su mensaje con el asunto\n\n  ${shown(subject)}\n\nse envió a los miembros de ${list}.\n`,
  rejectedSubject: (list) => `Su mensaje a ${list} fue rechazado`,
  rejectedText: (list, subject, why) =>
    `Un moderador rechazó su mensaje a ${list} con el asunto\n\n  ${shown(subject)}\n\n${why === '' ? '' : `${why}\n`}`,
  confirmSubject: (action, list) => `Confirme: ${action} ${list}`,
  confirmText: (action, list, address, url, days) =>
    `Se pidió para la dirección ${address}: ${action} la lista ${list}.\n\nPara confirmar, responda a este mensaje${url === undefined ? '.' : ` o abra\n\n  ${url}\n`}\n\nLa petición caduca a los ${days} días. Si no es suya, no haga nada.\n`,
  actions: {
    subscribe: 'suscribirse a',
    unsubscribe: 'dejar',
    set: 'cambiar las opciones de',
    options: 'cambiar las opciones de',
  },
  welcomeSubject: (list) => `Bienvenido a ${list}`,
  goodbyeSubject: (list) => `Ha dejado ${list}`,
  results: 'Resultado de sus órdenes',
  optionsText: (list, url) => `Opciones de su suscripción a ${list}:\n\n  ${url}\n`,
  warningSubject: (list) => `${list} ya no le envía mensajes`,
  warningText: (list, url) =>
    `Mensajes de la lista ${list} a su dirección han vuelto. La lista no le envía nada más hasta que responda a este mensaje${url === undefined ? '' : ` o abra\n\n  ${url}\n\n`}. Sin respuesta, su suscripción termina tras algunos mensajes como este.\n`,
  digestSubject: (list, number) => `${list} resumen ${number}`,
  contents: 'Temas:',
}

const TEXTS: Readonly<Record<Language, typeof en>> = { en, de, fr, es }
/** In the member's language, else the list's. */
export const textsOf = ({ settings }: MailingList, member?: Pick<Member, 'language'>): typeof en =>
  TEXTS[member?.language ?? settings.language]
