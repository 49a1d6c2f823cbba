import { ffnPlaces, loadPretrained, modelFolder } from "fourward/models";
import { topTokens } from "fourward/probe";

// Which tokens do the first units of the last layer promote?
const { model, params, tokenizer } = await loadPretrained(modelFolder("fourward-4m"));
const place = ffnPlaces(model.config).at(-1);
if (!place || !tokenizer) throw new Error("expected a model with feed-forward layers and a tokenizer");
const top = await topTokens({ model, params }, place, 6);
for (let unit = 0; unit < 5; unit++)
  console.log(
    unit,
    [...top.slice(6 * unit, 6 * unit + 6)].map((token) => tokenizer.decode([token])),
  );
