// Without this, Windows opens a console beside the window.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() {
    #[cfg(target_os = "linux")]
    prepare_webkit();
    desktop::run();
}

/// With some drivers, WebKitGTK shows an empty window unless its renderer for DMA-BUF is off. The second
/// variable says that the first one is not for children.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no other thread runs yet")]
fn prepare_webkit() {
    if std::env::var_os("WEBKIT_DISABLE_DMABUF_RENDERER").is_none() {
        // SAFETY: this is the first statement of the only thread.
        unsafe {
            std::env::set_var("WEBKIT_DISABLE_DMABUF_RENDERER", "1");
            std::env::set_var("EXECGO_DESKTOP_SET_DMABUF", "1");
        }
    }
}
