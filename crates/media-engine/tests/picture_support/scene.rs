//! A scene of our own, drawn: a room with a lamp, shelves of texture, a board with text, someone who speaks and moves, and a ball that
//! flies past. It has what filters find hard: faint texture, thin lines, soft shading, slow and fast motion.

use peerage_media::video::{I420, Plane};

use super::degrade::Chance;

/// Side of the texture's square, which repeats.
const SIDE: usize = 512;

/// Draws the scene.
pub(crate) struct Room {
    width: u16,
    height: u16,
    texture: Vec<f32>,
    glyphs: Vec<u64>,
}

impl Room {
    /// One for pictures of a size.
    pub(crate) fn new(width: u16, height: u16) -> Self {
        let mut chance = Chance::new(7);
        let mut texture = vec![0.0; SIDE * SIDE];
        for (cell, weight) in [(64, 1.0), (32, 0.7), (16, 0.5), (8, 0.4), (4, 0.3), (2, 0.2)] {
            let cells = SIDE / cell;
            let grid: Vec<f32> = (0..cells * cells).map(|_| chance.uniform() - 0.5).collect();
            for (at, sum) in texture.iter_mut().enumerate() {
                let (x, y) = (at % SIDE, at / SIDE);
                let ease = |part: usize| {
                    let t = part as f32 / cell as f32;
                    t * t * (3.0 - 2.0 * t)
                };
                let (fx, fy) = (ease(x % cell), ease(y % cell));
                let node = |x: usize, y: usize| grid[y % cells * cells + x % cells];
                let (cx, cy) = (x / cell, y / cell);
                let above = node(cx, cy) * (1.0 - fx) + node(cx + 1, cy) * fx;
                let below = node(cx, cy + 1) * (1.0 - fx) + node(cx + 1, cy + 1) * fx;
                *sum += weight * (above * (1.0 - fy) + below * fy);
            }
        }
        let glyphs = (0..64).map(|_| chance.bits()).collect();
        Self { width, height, texture, glyphs }
    }

    /// Between samples, in texels.
    fn texture(&self, x: f32, y: f32) -> f32 {
        let (fx, fy) = (x - x.floor(), y - y.floor());
        let at = |x: f32, y: f32| {
            let wrap = |v: f32| (v as i64).rem_euclid(SIDE as i64) as usize;
            self.texture[wrap(y) * SIDE + wrap(x)]
        };
        let (x, y) = (x.floor(), y.floor());
        let above = at(x, y) * (1.0 - fx) + at(x + 1.0, y) * fx;
        let below = at(x, y + 1.0) * (1.0 - fx) + at(x + 1.0, y + 1.0) * fx;
        above * (1.0 - fy) + below * fy
    }

    /// A picture of the room.
    pub(crate) fn picture(&self, number: u32) -> I420 {
        let time = number as f32 / 30.0;
        self.draw(|x, y| self.room(x, y, time))
    }

    /// A picture of texture over which the camera moves by three and a half samples across and one and a quarter down.
    pub(crate) fn pan(&self, number: u32) -> I420 {
        let scale = f32::from(self.height);
        let (dx, dy) = (3.5 * number as f32, 1.25 * number as f32);
        self.draw(|x, y| {
            let (x, y) = (x * scale + dx, y * scale + dy);
            let leaves = self.texture(x, y);
            let large = self.texture(x / 4.0 + 100.0, y / 4.0);
            let light = (0.45 + 0.3 * large + 0.22 * leaves).clamp(0.03, 0.97);
            [light * (0.9 + 0.3 * large), light, light * (0.75 - 0.3 * large)]
        })
    }

    /// Red, green, blue of a point; y is from 0 to 1, x as far as the picture is wider.
    fn room(&self, x: f32, y: f32, time: f32) -> [f32; 3] {
        let wide = f32::from(self.width) / f32::from(self.height);
        // A wall, lit by a lamp from the upper left.
        let lamp = (-(((x - 0.3).powi(2) + (y - 0.15).powi(2)) * 2.0)).exp();
        let mut colour = [0.34 + 0.36 * lamp, 0.33 + 0.33 * lamp, 0.32 + 0.27 * lamp];
        let grain = 0.03 * self.texture(x * 500.0, y * 500.0);
        colour = colour.map(|light| light + grain);
        // Books.
        let shelf = (x - (wide - 0.62), y - 0.08);
        if (0.0..0.56).contains(&shelf.0) && (0.0..0.5).contains(&shelf.1) {
            let (row, down) = ((shelf.1 / 0.25) as usize, shelf.1 % 0.25 / 0.25);
            let (book, across) = ((shelf.0 / 0.035) as usize, shelf.0 % 0.035 / 0.035);
            let of_book = self.glyphs[(book * 7 + row * 3) % 64];
            let tone = |shift: u32| 0.12 + 0.5 * ((of_book >> shift & 63) as f32 / 63.0);
            let round = 1.0 - 0.6 * (across - 0.5).abs();
            let cloth = 1.0 + 0.5 * self.texture(x * 900.0, y * 900.0);
            colour = [tone(0), tone(6), tone(12)].map(|light| light * round * cloth);
            if down < 0.08 + 0.2 * tone(18) || down > 0.95 {
                colour = [0.09, 0.06, 0.04];
            } else if (0.45..0.5).contains(&down) || (0.75..0.77).contains(&down) {
                colour = colour.map(|light| light * 0.4 + 0.4);
            }
        }
        // A board with text.
        let board = (x - 0.06, y - 0.3);
        if (0.0..0.5).contains(&board.0) && (0.0..0.36).contains(&board.1) {
            colour = [0.87, 0.87, 0.83];
            let size = 0.06 - 0.012 * (board.1 / 0.06).floor().min(3.0);
            let (line, column) = (board.1 / 0.06, (board.0 - 0.02) / (size * 0.7));
            let inside = ((column.fract() * 6.0) as i32, (line.fract() * 0.06 / size * 9.0) as i32);
            if board.0 > 0.02
                && board.0 < 0.48
                && (0..5).contains(&inside.0)
                && (1..8).contains(&inside.1)
            {
                let glyph = self.glyphs[(line as usize * 13 + column as usize) % 64];
                let space = glyph & 7 == 0;
                if !space && glyph >> (3 + inside.1 * 5 + inside.0) & 1 == 1 {
                    colour = [0.1, 0.1, 0.16];
                }
            }
        }
        // Someone who speaks.
        let (sway, nod) = (0.02 * (time * 1.9).sin(), 0.012 * (time * 3.1).sin());
        let (px, py) = (x - 0.52 * wide - sway, y - 0.5 - nod);
        let body = (px / 0.3).powi(2) + ((py - 0.52) / 0.34).powi(2);
        if body < 1.0 {
            let knit = 0.5 + 0.5 * ((px * 260.0).sin() * (py * 260.0).sin());
            let fold = 1.0 - 0.5 * body;
            colour = [0.16, 0.25, 0.42].map(|light| light * (0.8 + 0.35 * knit) * fold + 0.02);
        }
        let head = (px / 0.15).powi(2) + (py / 0.21).powi(2);
        if head < 1.0 {
            let shade = (1.0 - head).sqrt() * 0.45 + 0.5 - 0.6 * px;
            let skin = 1.0 + 0.05 * self.texture(px * 700.0 + 300.0, py * 700.0);
            colour = [0.85, 0.62, 0.5].map(|light| light * shade * skin);
            let hair = py + 0.11 - 0.25 * px.abs();
            if hair < 0.0 {
                let strand = 0.75 + 0.6 * self.texture(px * 1100.0, py * 90.0);
                colour = [0.23, 0.15, 0.09].map(|light| light * strand * (0.6 + shade));
            }
            for side in [-0.06f32, 0.06] {
                let eye = ((px - side) / 0.026).powi(2) + ((py + 0.035) / 0.014).powi(2);
                if eye < 1.0 {
                    let pupil = (px - side).hypot(py + 0.035) < 0.01;
                    colour = if pupil { [0.06; 3] } else { [0.85, 0.85, 0.85] };
                }
                let brow = ((px - side) / 0.035).powi(2) + ((py + 0.065) / 0.006).powi(2);
                if brow < 1.0 {
                    colour = [0.2, 0.13, 0.08];
                }
            }
            let open = 0.008 + 0.018 * (time * 11.0).sin().abs();
            if (px / 0.05).powi(2) + ((py - 0.1) / open).powi(2) < 1.0 {
                colour = [0.42, 0.14, 0.13];
            }
        }
        // A ball that flies past, 24 samples a picture in one of 720 rows.
        let ball =
            (x - (time * 1.0) % (wide + 0.4) + 0.2, y - 0.8 + 0.12 * (time * 5.0).sin().abs());
        let near = (ball.0 / 0.07).powi(2) + (ball.1 / 0.07).powi(2);
        if near < 1.0 {
            let shade = 0.4 + 0.6 * (1.0 - near).sqrt();
            let stripe = ((ball.0 + ball.1) * 60.0).sin() > 0.3;
            colour = if stripe { [0.9, 0.88, 0.8] } else { [0.75, 0.2, 0.12] }.map(|l| l * shade);
        }
        colour
    }

    fn draw(&self, light: impl Fn(f32, f32) -> [f32; 3]) -> I420 {
        let mut picture = I420::black(self.width, self.height);
        let (width, height) = picture.size(Plane::Y);
        let (half, rows) = picture.size(Plane::U);
        let mut sums = vec![[0.0f32; 3]; half * rows];
        let (y, u, v) = picture.planes_mut();
        for row in 0..height {
            for column in 0..width {
                // Two by two points for each sample, as a lens has no hard edges.
                let mut sum = [0.0; 3];
                for (dx, dy) in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)] {
                    let at =
                        ((column as f32 + dx) / height as f32, (row as f32 + dy) / height as f32);
                    let point = light(at.0, at.1);
                    (0..3).for_each(|i| sum[i] += 0.25 * point[i].clamp(0.0, 1.0));
                }
                let [red, green, blue] = sum;
                let luma = 0.299 * red + 0.587 * green + 0.114 * blue;
                y[row * width + column] = (16.0 + 219.0 * luma).round() as u8;
                let sum = &mut sums[row / 2 * half + column / 2];
                sum[0] += (blue - luma) / 1.772;
                sum[1] += (red - luma) / 1.402;
                sum[2] += 1.0;
            }
        }
        for ((u, v), [cb, cr, count]) in u.iter_mut().zip(v).zip(sums) {
            *u = (128.0 + 224.0 * cb / count).round() as u8;
            *v = (128.0 + 224.0 * cr / count).round() as u8;
        }
        picture
    }
}
