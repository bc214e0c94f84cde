/**
 * A Notes site of any size: a directory (DXL) and a mail file for each person, made by rule or from the sample databases,
 * and what each mailbox must have afterwards.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nsfFixture } from './notes.ts'

/** People of the site; NOTES_USERS says how many, such as 200. */
export const USERS = Number(process.env.NOTES_USERS ?? 60)

export interface SiteUser {
  readonly name: string
  readonly address: string
  /** Subjects by mailbox, sorted; undefined for a user whose file is a sample database. */
  readonly mailboxes: Readonly<Record<string, readonly string[]>> | undefined
}

export interface NotesSite {
  readonly directory: string
  readonly mail: string
  readonly users: readonly SiteUser[]
}

/** Sample databases that hold mail. */
const SAMPLES = ['hfinn', 'MIMEMsg', 'attachment']

const item = (name: string, ...values: string[]) =>
  `<item name='${name}'><textlist>${values.map((value) => `<text>${value}</text>`).join('')}</textlist></item>`
const time = (name: string, at: string) => `<item name='${name}'><datetime>${at}</datetime></item>`
const unid = (user: number, document: number) =>
  `${user.toString(16)}00${document.toString(16)}`.toUpperCase().padStart(32, 'A')
const database = (replica: number, inner: string) =>
  `<?xml version='1.0' encoding='utf-8'?>\n<database xmlns='http://www.lotus.com/dxl' replicaid='${replica.toString(16).padStart(16, '0')}'>${inner}</database>`
const document = (id: string, form: string, inner: string) =>
  `<document form='${form}'><noteinfo noteid='1' unid='${id}'/>${item('Form', form)}${inner}</document>`

export async function makeNotesSite(folder: string, count: number, domain: string): Promise<NotesSite> {
  const [mail, directory] = [join(folder, 'mail'), join(folder, 'names.dxl')]
  await mkdir(mail, { recursive: true })
  const users: SiteUser[] = []
  const persons: string[] = []
  for (let n = 0; n < count; n++) {
    const name = `user${n}`
    const address = `${name}@${domain}`
    persons.push(
      document(
        unid(0xfff, n),
        'Person',
        `${item('Type', 'Person')}${item('FullName', `CN=Person ${n}/OU=Unit ${n % 7}/O=Acme`)}${item('ShortName', name)}${item('LastName', String(n))}${item('InternetAddress', address)}${item('MailFile', `mail\\${name}`)}`,
      ),
    )
    const sample = n % 20 === 19 ? SAMPLES[((n / 20) % SAMPLES.length) | 0] : undefined
    if (sample) await writeFile(join(mail, `${name}.nsf`), nsfFixture(sample))
    users.push({ name, address, mailboxes: sample ? undefined : await mailFile(join(mail, `${name}.dxl`), n) })
  }
  const members = Array.from({ length: count }, (_, n) => `CN=Person ${n}/OU=Unit ${n % 7}/O=Acme`)
  const group = document(
    unid(0xffe, 1),
    'Group',
    `${item('Type', 'Group')}${item('ListName', 'Everybody')}${item('Members', ...members)}`,
  )
  await writeFile(directory, database(0xfff, persons.join('') + group))
  return { directory, mail, users }
}

/** Mail, a draft, a sent copy, an appointment and a contact, in nested and empty folders. */
async function mailFile(path: string, user: number): Promise<Readonly<Record<string, readonly string[]>>> {
  const [documents, list]: [string[], string[]] = [[], []]
  const mailboxes: Record<string, string[]> = {
    INBOX: [],
    'Projects/Deep': [],
    'Projects/Deep/Empty': [],
    Archive: [],
    Sent: [],
    Drafts: [],
    Calendar: [],
  }
  const place = (id: string, folder: string) => list.push(`folder\t${folder}\t${id}`)
  const messages = 3 + (user % 5)
  for (let n = 0; n < messages; n++) {
    const id = unid(user, n)
    const subject = `Message ${n} of ${user}`
    documents.push(
      document(
        id,
        'Memo',
        `${item('From', `CN=Person ${(user + n) % USERS}/OU=Unit ${((user + n) % USERS) % 7}/O=Acme`)}${item('SendTo', `user${user}`)}${item('Subject', subject)}${item('Body', `Text ${n}, größer`)}${time('PostedDate', `200106${12 + n}T140500,00+02`)}${time('DeliveredDate', `200106${12 + n}T140510,00+02`)}`,
      ),
    )
    const mailbox = ['INBOX', 'Projects/Deep', 'Archive'][n % 3] ?? ''
    mailboxes[mailbox]?.push(subject)
    if (n % 3 < 2) place(id, n % 3 === 0 ? '($Inbox)' : 'Projects\\Deep')
    if (n === 0) list.push(`unread\tCN=Person ${user}/OU=Unit ${user % 7}/O=Acme\t${id}`)
  }
  list.push('folder\tProjects\\Deep\\Empty')
  const more = [
    ['Memo', 'Sent', `Sent of ${user}`, time('PostedDate', '20010620T140500,00+02')],
    ['Memo', 'Drafts', `Draft of ${user}`, ''],
    [
      'Appointment',
      'Calendar',
      `Meeting of ${user}`,
      `${time('StartDateTime', '20010621T080000,00+02')}${time('EndDateTime', '20010621T090000,00+02')}`,
    ],
  ] as const
  for (const [n, [form, mailbox, subject, dates]] of more.entries()) {
    documents.push(
      document(
        unid(user, 0x100 + n),
        form,
        `${item('SendTo', 'ed@example.org')}${item('Subject', subject)}${item('Body', 'x')}${dates}`,
      ),
    )
    mailboxes[mailbox]?.push(subject)
  }
  documents.push(
    document(
      unid(user, 0x200),
      'Person',
      `${item('Type', 'Person')}${item('FullName', 'CN=Ed Poe')}${item('InternetAddress', 'ed@example.org')}`,
    ),
  )
  await writeFile(path, database(user + 1, documents.join('')))
  await writeFile(`${path}.list`, list.join('\n'))
  return mailboxes
}
