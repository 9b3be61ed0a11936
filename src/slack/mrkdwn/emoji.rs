use emojis::{Emoji, SkinTone};

/// The emoji at the start of a text that begins with `:name:`, and how many bytes it takes. A skin
/// tone behind it (`:wave::skin-tone-3:`) belongs to it.
pub(super) fn read(text: &str) -> Option<(String, usize)> {
    let (name, used) = shortcode(text)?;
    if let Some(flag) = flag(name) {
        return Some((flag, used));
    }
    let emoji = lookup(name)?;
    if let Some((tone, more)) = shortcode(&text[used..])
        && let Some(tone) = tone_of(tone)
    {
        let toned = emoji.with_skin_tone(tone).unwrap_or(emoji);
        return Some((toned.as_str().to_owned(), used + more));
    }
    Some((emoji.as_str().to_owned(), used))
}

/// The name between two colons, and the bytes of all three.
fn shortcode(text: &str) -> Option<(&str, usize)> {
    /// The longest names have about 50.
    const LONGEST: usize = 80;
    let rest = text.strip_prefix(':')?;
    let end = rest
        .bytes()
        .take(LONGEST)
        .position(|b| !matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'+' | b'\''))?;
    (end > 0 && rest[end..].starts_with(':')).then(|| (&rest[..end], end + 2))
}

/// Slack's names are those of GitHub with `-` for some `_`, and some of its own.
fn lookup(name: &str) -> Option<&'static Emoji> {
    let known = |name: &str| emojis::get_by_shortcode(&name.replace('-', "_"));
    if let Some(emoji) = emojis::get_by_shortcode(name).or_else(|| known(name)) {
        return Some(emoji);
    }
    let theirs = match name {
        "simple_smile" => "slightly_smiling_face",
        "face_with_raised_eyebrow" => "raised_eyebrow",
        "hugging_face" => "hugs",
        "face_with_rolling_eyes" => "roll_eyes",
        "rolling_on_the_floor_laughing" => "rofl",
        "grinning_face_with_star_eyes" => "star_struck",
        "thinking_face" => "thinking",
        "white_frowning_face" => "frowning_face",
        "face_with_hand_over_mouth" => "hand_over_mouth",
        "large_green_circle" => "green_circle",
        "large_yellow_circle" => "yellow_circle",
        "large_orange_circle" => "orange_circle",
        "large_purple_circle" => "purple_circle",
        "large_brown_circle" => "brown_circle",
        _ => "",
    };
    let gendered = name
        .strip_prefix("male-")
        .map(|rest| format!("man_{rest}"))
        .or_else(|| Some(format!("woman_{}", name.strip_prefix("female-")?)));
    known(theirs).or_else(|| known(&gendered?))
}

/// `flag-de`: the two letters as a flag.
fn flag(name: &str) -> Option<String> {
    let letters = name.strip_prefix("flag-")?;
    let flag: String = letters
        .bytes()
        .filter(u8::is_ascii_lowercase)
        .filter_map(|b| char::from_u32(0x1f1e6 + u32::from(b - b'a')))
        .collect();
    emojis::get(&flag).map(|emoji| emoji.as_str().to_owned())
}

fn tone_of(name: &str) -> Option<SkinTone> {
    Some(match name {
        "skin-tone-2" => SkinTone::Light,
        "skin-tone-3" => SkinTone::MediumLight,
        "skin-tone-4" => SkinTone::Medium,
        "skin-tone-5" => SkinTone::MediumDark,
        "skin-tone-6" => SkinTone::Dark,
        _ => return None,
    })
}
