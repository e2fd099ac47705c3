/** What the estimator is measured on: prose in ten languages, code, data, markup, written for this purpose. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Sample {
  name: string;
  text: string;
}

const root = join(import.meta.dirname, '../..');
/** Part of a file of this repository, from the beginning. */
const ofFile = (path: string, characters = 4000): string => readFileSync(join(root, path), 'utf8').slice(0, characters);

const ENGLISH = `The scale at the harbour gate weighs every lorry twice, once on its way in and once on its way out. The
difference is what the customer pays for, so the clerk checks the seal before each season and keeps the slips for seven
years. When the scale broke last winter, nobody guessed: the lorries waited in the rain until the mechanic had come, and
the clerk wrote the delay into the book. A number that cannot be defended, she likes to say, is worse than no number.`;

const GERMAN = `Die Waage am Hafentor wiegt jeden Lastwagen zweimal, einmal bei der Einfahrt und einmal bei der Ausfahrt. Den
Unterschied bezahlt der Kunde, deshalb prüft die Angestellte vor jeder Saison die Plombe und bewahrt die Wiegescheine sieben
Jahre lang auf. Als die Waage im vergangenen Winter ausfiel, hat niemand geschätzt: Die Fahrer warteten im Regen, bis der
Mechaniker gekommen war. Eine Zahl, die man nicht verteidigen kann, sagt sie gern, ist schlechter als gar keine.`;

const FRENCH = `La balance à l’entrée du port pèse chaque camion deux fois, une fois à l’arrivée et une fois au départ. C’est la
différence que le client paie ; l’employée vérifie donc le plomb avant chaque saison et conserve les bordereaux pendant sept
ans. Quand la balance est tombée en panne l’hiver dernier, personne n’a deviné : les chauffeurs ont attendu sous la pluie
jusqu’à l’arrivée du mécanicien. Un chiffre qu’on ne peut pas défendre, aime-t-elle dire, vaut moins que pas de chiffre.`;

const SPANISH = `La báscula de la entrada del puerto pesa cada camión dos veces, una al entrar y otra al salir. El cliente paga la
diferencia, así que la empleada revisa el precinto antes de cada temporada y guarda los recibos durante siete años. Cuando
la báscula se averió el invierno pasado, nadie adivinó: los conductores esperaron bajo la lluvia hasta que llegó el
mecánico. Un número que no se puede defender, suele decir, es peor que ningún número.`;

const RUSSIAN = `Весы у ворот порта взвешивают каждый грузовик дважды: на въезде и на выезде. Клиент платит за разницу, поэтому
служащая перед каждым сезоном проверяет пломбу и семь лет хранит квитанции. Когда прошлой зимой весы сломались, никто не
стал угадывать: водители ждали под дождём, пока не приехал механик. Число, которое нельзя защитить, любит повторять она,
хуже, чем отсутствие числа.`;

const CHINESE = `港口大门的地磅对每辆卡车称重两次，一次在进门时，一次在出门时。客户为两者之差付款，因此管理员在每个季节之前都要检查铅封，并把磅单保存七年。
去年冬天地磅坏了，没有人去猜测：司机们在雨中等待，直到修理工赶来，管理员把耽误的时间记进了账本。她常说，一个无法自圆其说的数字，还不如没有数字。`;

const JAPANESE = `港の門にある計量台は、すべてのトラックを入るときと出るときの二回計ります。お客様が支払うのはその差ですから、係員は季節ごとに封印を確かめ、
計量票を七年間保管します。去年の冬に計量台が壊れたとき、誰も推測しませんでした。運転手たちは修理工が来るまで雨の中で待ち、係員はその遅れを帳簿に書きました。
説明できない数字は、数字がないことよりも悪いのだと彼女はよく言います。`;

const KOREAN = `항구 정문의 계근대는 모든 트럭을 들어올 때와 나갈 때 두 번 잽니다. 고객은 그 차이만큼 돈을 내기 때문에 담당자는 계절마다 봉인을 확인하고
전표를 칠 년 동안 보관합니다. 지난겨울 계근대가 고장 났을 때 아무도 짐작하지 않았습니다. 운전사들은 정비사가 올 때까지 빗속에서 기다렸고 담당자는
그 지연을 장부에 적었습니다. 설명할 수 없는 숫자는 숫자가 없는 것보다 나쁘다고 그는 말하곤 합니다.`;

const ARABIC = `يزن الميزان عند بوابة الميناء كل شاحنة مرتين، مرة عند الدخول ومرة عند الخروج. يدفع الزبون ثمن الفرق بينهما، لذلك تفحص
الموظفة الختم قبل كل موسم وتحتفظ بالإيصالات سبع سنوات. عندما تعطل الميزان في الشتاء الماضي لم يخمن أحد، بل انتظر السائقون تحت
المطر حتى جاء الميكانيكي. وتحب أن تقول إن الرقم الذي لا يمكن الدفاع عنه أسوأ من عدم وجود رقم.`;

const HINDI = `बंदरगाह के द्वार पर लगा तराज़ू हर ट्रक को दो बार तौलता है, एक बार अंदर आते समय और एक बार बाहर जाते समय। ग्राहक दोनों के अंतर का
भुगतान करता है, इसलिए कर्मचारी हर मौसम से पहले मुहर की जाँच करती है और पर्चियाँ सात साल तक सँभालकर रखती है। पिछली सर्दियों में जब तराज़ू
ख़राब हुआ तो किसी ने अनुमान नहीं लगाया। जिस संख्या का बचाव नहीं किया जा सकता, वह संख्या न होने से भी बुरी है।`;

const PYTHON = `from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Weighing:
    lorry_id: str
    gross_kg: Decimal
    tare_kg: Decimal

    @property
    def net_kg(self) -> Decimal:
        if self.gross_kg < self.tare_kg:
            raise ValueError(f"{self.lorry_id}: gross {self.gross_kg} is below tare {self.tare_kg}")
        return self.gross_kg - self.tare_kg


def invoice(weighings: list[Weighing], rate: Decimal) -> dict[str, Decimal]:
    totals: dict[str, Decimal] = {}
    for weighing in weighings:
        totals[weighing.lorry_id] = totals.get(weighing.lorry_id, Decimal(0)) + weighing.net_kg * rate
    return dict(sorted(totals.items()))
`;

const DATA = JSON.stringify(
  Array.from({ length: 12 }, (_, index) => ({
    id: `wgh_${(index * 7919).toString(36).padStart(6, '0')}`,
    lorry: `HH-${String.fromCharCode(65 + index)}${index * 37}`,
    grossKg: 18_000 + index * 613,
    tareKg: 7420.5,
    at: `2026-11-${String(index + 1).padStart(2, '0')}T06:${String(index * 4).padStart(2, '0')}:00.000Z`,
    tags: ['harbour', index % 2 === 0 ? 'export' : 'import'],
  })),
);

export const SAMPLES: readonly Sample[] = [
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
  { name: 'TypeScript', text: ofFile('packages/gateway/src/lib/json-splice.ts') },
  { name: 'Python', text: PYTHON },
  { name: 'JSON', text: DATA },
  { name: 'Markdown', text: ofFile('README.md') },
  { name: 'SQL and words', text: ofFile('packages/gateway/src/store/schema.ts') },
];
