//! An application that leaves signing in to the host: where it sends a browser, and what it makes of one that comes
//! back; and what a person does in a browser again and again.

use super::session::Browser;
use crate::harness::{ADA, PASSWORD, Site, Stage, Tokens, TotpSecret};

const WELCOME: &str = "<!doctype html><html lang=en><title>Application</title><h1>Welcome back</h1>";
/// What it wants to find again; with a character that has to be written otherwise in an address.
const STATE: &str = "st&te";

/// An application at an address of its own, which is its id as well.
pub struct Application {
    site: Site,
    /// Where it leads on to those who come back, if that is elsewhere.
    onward: Option<Site>,
}

impl Application {
    pub fn new() -> Self {
        Self { site: Site::new(&[("/callback", WELCOME)]), onward: None }
    }

    /// One whose address for those who come back leads on to another origin.
    pub fn leading_on() -> Self {
        let onward = Site::new(&[("/callback", WELCOME)]);
        Self { site: Site::leading_to(&onward), onward: Some(onward) }
    }

    /// One whose address is as long as names of machines can be; all of them below `localhost` are this one.
    pub fn with_a_long_name() -> Self {
        let mut application = Self::new();
        let label = "x".repeat(63);
        let name = format!("{label}.{label}.{label}.localhost");
        application.site.origin = application.site.origin.replace("127.0.0.1", &name);
        application
    }

    pub fn id(&self) -> String {
        format!("{}/", self.site.origin)
    }

    /// Where it sends a browser whose user is not known to it.
    pub fn sign_in(&self, stage: &Stage) -> String {
        self.sign_in_at(&stage.host().base)
    }

    /// The same, with the host under this address.
    pub fn sign_in_at(&self, base: &str) -> String {
        let origin = self.site.origin.replace(':', "%3A").replace('/', "%2F");
        format!(
            "{base}/auth/authorize?response_type=code&client_id={origin}%2F&redirect_uri={origin}%2Fcallback&state=st%26te"
        )
    }

    /// The tokens for what the browser brings back.
    #[track_caller]
    pub fn tokens(&self, stage: &Stage, browser: &Browser) -> Tokens {
        let code = self.result(browser);
        let fields = [("grant_type", "authorization_code"), ("client_id", &*self.id()), ("code", &*code)];
        Tokens::of(&stage.wire().post_form("/auth/token", &fields).expect(200))
    }

    /// The result code the browser brings back.
    #[track_caller]
    pub fn result(&self, browser: &Browser) -> String {
        browser.until_text("Welcome back");
        let target = self.site.next();
        if let Some(onward) = &self.onward {
            assert_eq!((onward.next(), browser.url()), (target.clone(), format!("{}{target}", onward.origin)));
        }
        let query = target.strip_prefix("/callback?").unwrap_or_else(|| panic!("{target}"));
        let (code, state) = query.split_once('&').unwrap_or_else(|| panic!("{query}"));
        assert_eq!(state, format!("state={}", STATE.replace('&', "%26")));
        code.strip_prefix("code=").unwrap_or_else(|| panic!("{query}")).to_owned()
    }
}

impl Browser {
    /// Comes from the application and gives ada's name and password.
    #[track_caller]
    pub fn give_password(&self, stage: &Stage, application: &Application) {
        self.open(&application.sign_in(stage));
        self.give_password_here();
    }

    /// Opens the address the host says it listens at, and gives them there.
    #[track_caller]
    pub fn sign_in_to_own_pages(&self, stage: &Stage) {
        self.open(&stage.host().base);
        self.give_password_here();
    }

    /// On the page that asks for them.
    #[track_caller]
    pub fn give_password_here(&self) {
        self.fill("User name", ADA);
        self.fill("Password", PASSWORD);
        self.press("Sign in");
    }

    /// The secret an authenticator app reads from the picture of the page.
    #[track_caller]
    pub fn scanned_secret(&self) -> TotpSecret {
        let uri = self.qr();
        let secret = uri.split_once("secret=").map(|(_, rest)| rest.split('&').next().unwrap_or_default().to_owned());
        TotpSecret(secret.unwrap_or_else(|| panic!("a secret in {uri}")))
    }
}
