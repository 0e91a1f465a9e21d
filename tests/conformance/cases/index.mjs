// All cases, in the order in which they run: who publishes comes before who watches.
import { answerCases } from './answer.mjs';
import { endCases } from './end.mjs';
import { httpCases } from './http.mjs';
import { playCases, publishCases } from './media.mjs';
import { patchCases } from './patch.mjs';
import { refusalCases } from './refusals.mjs';
import { setupCases } from './setup.mjs';
import { idleCases, whepCases } from './whep.mjs';

const common = (protocol) => [setupCases, answerCases, refusalCases, httpCases, patchCases, endCases].flatMap((cases) => cases(protocol));

export function allCases() {
  return [...common('whip'), ...publishCases(), ...idleCases(), ...common('whep'), ...whepCases(), ...playCases()];
}
