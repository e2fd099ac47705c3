/** A second set, about other things, that no weight was fitted to: what the published error is measured on. */
import type { Sample } from './texts.ts';

const ENGLISH = `Please rewrite the second paragraph so that a new colleague understands it. Keep the figures, drop the jargon, and say
who decides. If a sentence needs more than one comma, make two of it. At the end list what is still open, with a name and a
date for each point; where nobody is responsible yet, write "open" instead of guessing.`;

const GERMAN = `Bitte schreiben Sie den zweiten Absatz so um, dass ihn eine neue Kollegin versteht. Behalten Sie die Zahlen, streichen
Sie die Fachwörter und sagen Sie, wer entscheidet. Am Ende steht, was noch offen ist, mit Namen und Datum; wo noch niemand
zuständig ist, schreiben Sie „offen“, statt zu raten.`;

const FRENCH = `Veuillez réécrire le deuxième paragraphe pour qu’un nouveau collègue le comprenne. Gardez les chiffres, supprimez le
jargon et dites qui décide. À la fin, indiquez ce qui reste à régler, avec un nom et une date pour chaque point ; là où
personne n’est encore responsable, écrivez « à régler » plutôt que de deviner.`;

const SPANISH = `Por favor, reescriba el segundo párrafo para que lo entienda un compañero nuevo. Conserve las cifras, quite la jerga y
diga quién decide. Al final, indique lo que queda pendiente, con un nombre y una fecha para cada punto; donde todavía no haya
nadie responsable, escriba «pendiente» en lugar de adivinar.`;

const RUSSIAN = `Пожалуйста, перепишите второй абзац так, чтобы его понял новый сотрудник. Сохраните цифры, уберите жаргон и скажите,
кто принимает решение. В конце перечислите, что ещё не решено, с именем и датой для каждого пункта; там, где ответственного
пока нет, напишите «не решено», вместо того чтобы гадать.`;

const CHINESE = `请改写第二段，让新同事也能看懂。保留数字，去掉行话，并说明由谁来决定。最后列出尚未解决的问题，每一项写上姓名和日期；如果还没有人负责，
就写“待定”，不要猜测。如果一个句子需要两个以上的逗号，请把它拆成两句。`;

const JAPANESE = `第二段落を、新しい同僚にも分かるように書き直してください。数字は残し、専門用語は省き、誰が決めるのかを書いてください。最後に、まだ決まって
いないことを、それぞれ名前と日付を付けて挙げてください。担当者がまだいない場合は、推測せずに「未定」と書いてください。`;

const KOREAN = `두 번째 문단을 새 동료도 이해할 수 있도록 다시 써 주세요. 숫자는 그대로 두고 전문 용어는 빼고 누가 결정하는지 밝혀 주세요. 마지막에는 아직
정해지지 않은 일을 항목마다 이름과 날짜를 붙여 적어 주세요. 담당자가 아직 없으면 짐작하지 말고 "미정"이라고 써 주세요.`;

const ARABIC = `يرجى إعادة كتابة الفقرة الثانية بحيث يفهمها زميل جديد. احتفظ بالأرقام واحذف المصطلحات واذكر من يتخذ القرار. وفي النهاية اذكر
ما لم يحسم بعد، مع اسم وتاريخ لكل نقطة، وحيث لا يوجد مسؤول بعد اكتب «مفتوح» بدلا من التخمين.`;

const HINDI = `कृपया दूसरे अनुच्छेद को इस तरह फिर से लिखिए कि कोई नया सहकर्मी उसे समझ सके। आँकड़े रखिए, कठिन शब्द हटाइए और बताइए कि निर्णय कौन
लेता है। अंत में लिखिए कि क्या बाकी है, हर बात के साथ नाम और तारीख़; जहाँ अभी कोई ज़िम्मेदार नहीं है, वहाँ अनुमान लगाने के बजाय "बाकी" लिखिए।`;

const GO = `package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var ErrClosed = errors.New("ledger: entry is already settled")

type Entry struct {
	ID        string
	StartedAt time.Time
	Tokens    int64
	settled   bool
}

func (e *Entry) Settle(ctx context.Context, tokens int64) error {
	if e.settled {
		return fmt.Errorf("%w: %s", ErrClosed, e.ID)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	default:
	}
	e.Tokens, e.settled = tokens, true
	return nil
}
`;

const SQL = `SELECT d.provider, d.model, date_trunc('hour', d.settled_at) AS hour, count(*) AS calls,
       sum(d.input + d.cache_read + d.cache_write) AS prompt_tokens, sum(d.output) AS output_tokens,
       round(sum(d.cost_nano_usd) / 1e9, 6) AS usd
FROM dispatches AS d
JOIN tenants AS t ON t.id = d.tenant_id AND t.closed_at IS NULL
WHERE d.settled_at >= '2026-11-01' AND d.settled_at < '2026-12-01' AND d.outcome IN ('completed', 'aborted')
GROUP BY 1, 2, 3
HAVING count(*) > 10
ORDER BY usd DESC NULLS LAST
LIMIT 100;
`;

const CALL = JSON.stringify({
  name: 'create_event',
  arguments: {
    title: 'Quarterly calibration',
    start: '2026-12-04T09:30:00+01:00',
    end: '2026-12-04T11:00:00+01:00',
    attendees: [
      { email: 'clerk@example.org', optional: false },
      { email: 'mechanic@example.org', optional: true },
    ],
    location: { room: 'B-204', floor: 2, coordinates: [53.5461, 9.9661] },
    reminders: [1440, 60, 10],
  },
});

const HTML = `<section class="card" id="scale-7" data-state="open">
  <h2>Scale 7 <small>(harbour gate)</small></h2>
  <p>Last calibration: <time datetime="2026-09-30">30 September 2026</time>, by <a href="/people/42">A. Petersen</a>.</p>
  <ul><li>Gross: <b>18,613.0 kg</b></li><li>Tare: <b>7,420.5 kg</b></li><li>Net: <b>11,192.5 kg</b></li></ul>
</section>
`;

export const HELD_OUT: readonly Sample[] = [
  { name: 'English', text: ENGLISH },
  { name: 'German', text: GERMAN },
  { name: 'French', text: FRENCH },
  { name: 'Spanish', text: SPANISH },
  { name: 'Russian', text: RUSSIAN },
  { name: 'Chinese', text: CHINESE },
  { name: 'Japanese', text: JAPANESE },
  { name: 'Korean', text: KOREAN },
  { name: 'Arabic', text: ARABIC },
  { name: 'Hindi', text: HINDI },
  { name: 'Go', text: GO },
  { name: 'SQL', text: SQL },
  { name: 'a tool call in JSON', text: CALL },
  { name: 'HTML', text: HTML },
];
