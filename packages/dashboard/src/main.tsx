/** The page begins: it asks at once, draws when there is something to draw, and then lives on events. */
import 'uplot/dist/uPlot.min.css';
import { render } from 'preact';
import { App } from './app.tsx';
import { begin } from './live.ts';

begin();
render(<App />, document.querySelector('#page')!);
