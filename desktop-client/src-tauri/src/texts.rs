//! The few texts that Rust shows itself: the menu, the dialog and the notification.

use backend::settings::Language;

/// A text in English and in Chinese.
#[derive(Clone, Copy)]
pub struct Text {
    pub en: &'static str,
    pub zh: &'static str,
}

impl Text {
    pub fn of(self, chinese: bool) -> &'static str {
        if chinese { self.zh } else { self.en }
    }
}

macro_rules! texts {
    ($($name:ident: $en:literal, $zh:literal;)*) => {
        $(pub const $name: Text = Text { en: $en, zh: $zh };)*
        /// All texts, for tests.
        #[cfg(test)]
        const ALL: &[Text] = &[$($name),*];
    };
}

texts! {
    FILE: "File", "文件";
    OPEN_PROJECT: "Open project …", "打开项目……";
    QUIT: "Quit", "退出";
    EDIT: "Edit", "编辑";
    VIEW: "View", "视图";
    HOME: "Home", "主页";
    COMPOSE: "Compose", "编排";
    RUNS: "Runs", "运行记录";
    LIBRARY: "Scenarios and profiles", "场景与配置";
    DOCTOR: "Doctor", "诊断";
    SETTINGS: "Settings", "设置";
    CHOOSE_FOLDER: "Choose the folder of a project", "选择项目文件夹";
    RUN_ENDED: "The run has ended", "运行已结束";
    EXIT_PASSED: "Every trial passed", "所有试验均已通过";
    EXIT_FAILED: "A trial did not pass", "有试验未通过";
    EXIT_OTHER: "It ended without a result that counts", "未得到有效结果";
}

/// Whether texts are in Chinese; the system decides if the user has not.
pub fn is_chinese(language: Language) -> bool {
    match language {
        Language::Zh => true,
        Language::En => false,
        Language::System => {
            let names = ["LC_ALL", "LC_MESSAGES", "LANG"];
            let found =
                names.iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
            found.is_some_and(|locale| locale.starts_with("zh"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_there_in_both_languages() {
        for text in ALL {
            assert!(!text.en.is_empty() && !text.zh.is_ascii(), "{}", text.en);
        }
    }
}
