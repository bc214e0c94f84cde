/** A question before an action that cannot be undone. */
import { Dialog } from '../../app/ui/dialog.tsx'
import { t } from '../../app/ui/language.ts'
import type { Question } from './application.ts'

export const QuestionDialog = ({ question, onClose }: { readonly question: Question; onClose(): void }) => (
  <Dialog title={question.title} onClose={onClose}>
    <p className="t2">{question.text}</p>
    <footer>
      <button type="button" className="btn" onClick={onClose}>
        {t('cancel')}
      </button>
      <button
        type="button"
        className="btn danger"
        onClick={() => {
          onClose()
          question.run()
        }}
      >
        {question.action}
      </button>
    </footer>
  </Dialog>
)
