import { ffnPlaces, loadPretrained, modelFolder } from "fourward/models";
import { valueVectors } from "fourward/probe";

// The embedded model's feed-forward layers: each hidden unit adds its value vector where it is on.
const { model, params } = await loadPretrained(modelFolder("fourward-4m"));
for (const place of ffnPlaces(model.config))
  console.log(place.path, "units and width:", valueVectors(params, place).shape);
// `fourward probe fourward-4m --probes neurons` says which are dead, and what the others detect.
