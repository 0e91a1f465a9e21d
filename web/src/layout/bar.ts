/** Which controls fit into the bar. */
export const barItems = ['mic', 'camera', 'screen', 'hand', 'react', 'people', 'chat'] as const;
export type BarItem = (typeof barItems)[number];

/** Of a control and the gap to the next; the last two, "more" and "leave", are always there. */
export interface BarSizes {
  item: number;
  gap: number;
  leave: number;
  padding: number;
}

/** The items that are shown, in order; the others go into "more", the last ones first. */
export function fitBar(width: number, offered: readonly BarItem[], sizes: BarSizes): BarItem[] {
  const fixed = sizes.padding * 2 + sizes.item + sizes.gap + sizes.leave;
  const room = Math.floor((width - fixed) / (sizes.item + sizes.gap));
  return offered.slice(0, Math.max(0, room));
}
