/** Makes the page that the server rendered live, from the data that came with it. */
import { hydrate } from "svelte";
import type { PageData } from "../../src/studio/api.ts";
import App from "./App.svelte";
import "./styles/app.css";

const data = JSON.parse(document.getElementById("fourward-data")?.textContent ?? "null") as PageData;
const target = document.getElementById("app");
if (target) hydrate(App, { target, props: { data, url: location.href } });
