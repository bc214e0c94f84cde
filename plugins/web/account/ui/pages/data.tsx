/** All data of the account as one file. */
import { t } from '../../../app/ui/language.ts'
import { useAccount } from '../context.ts'
import { Page, Section } from '../parts.tsx'

export function Data() {
  const { confirm, reload } = useAccount()
  const start = async () => {
    if (!(await confirm())) return
    location.assign('/api/account/export')
    await reload()
  }
  return (
    <Page title={t('page.data')}>
      <Section title={t('data.export')} hint={t('data.hint')}>
        <p>
          <button type="button" className="btn main" onClick={() => void start()}>
            {t('data.download')}
          </button>
        </p>
      </Section>
    </Page>
  )
}
