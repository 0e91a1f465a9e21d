/** Sizes and places in CSS pixels. Layouts know numbers only. */
export interface Box {
  width: number;
  height: number;
}
export interface Rect extends Box {
  x: number;
  y: number;
}
