//! The one table of routes. The OpenAPI document has to hold exactly these; a test compares them.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Extension, Router,
    extract::{ConnectInfo, Request, State},
    middleware,
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, get, patch, post},
};

use rustls::ServerConfig;

use crate::{
    flow::Flows,
    wire::{
        current::{Current, SettingsNews},
        pages::{self, Look},
    },
};

use super::{
    addresses, fences, link, login_api, login_flow, methods, mfa, openapi, outbox, people, sessions, status, token,
};

/// Method, path and what answers there.
pub type Route = (&'static str, &'static str, MethodRouter<Flows>);

/// Every route.
pub fn routes() -> Vec<Route> {
    vec![
        ("get", "/auth/providers", get(login_flow::providers)),
        ("post", "/auth/login_flow", post(login_flow::begin)),
        ("get", "/auth/login_flow/{flow_id}", get(login_flow::show)),
        ("post", "/auth/login_flow/{flow_id}", post(login_flow::submit)),
        ("delete", "/auth/login_flow/{flow_id}", delete(login_flow::abort)),
        ("get", "/auth/link/{token}", get(link::show)),
        ("post", "/auth/link/{token}", post(link::answer)),
        ("post", "/auth/token", post(token::token)),
        ("post", "/auth/revoke", post(token::revoke)),
        ("post", "/api/login", post(login_api::login)),
        ("post", "/api/login/verify", post(login_api::verify)),
        ("post", "/api/login/change", post(login_api::change)),
        ("post", "/api/login/resend", post(login_api::resend)),
        ("get", "/api/mfa", get(methods::list)),
        ("delete", "/api/mfa", delete(methods::delete_all)),
        ("get", "/api/mfa/{id}", get(methods::show)),
        ("patch", "/api/mfa/{id}", patch(methods::describe)),
        ("delete", "/api/mfa/{id}", delete(methods::delete)),
        ("post", "/api/mfa/{id}/activate", post(methods::activate)),
        ("post", "/api/mfa/{id}/deactivate", post(methods::deactivate)),
        ("post", "/api/mfa/{id}/primary", post(methods::make_primary)),
        ("post", "/api/mfa/{id}/test", post(methods::begin_test)),
        ("post", "/api/mfa/test/{flow_id}", post(methods::submit_test)),
        ("delete", "/api/mfa/test/{flow_id}", delete(methods::cancel_test)),
        ("patch", "/api/mfa/{id}/devices/{device}", patch(methods::rename_device)),
        ("delete", "/api/mfa/{id}/devices/{device}", delete(methods::remove_device)),
        ("post", "/api/mfa/{id}/setup", post(mfa::begin_setup)),
        ("post", "/api/mfa/{id}/regenerate", post(mfa::regenerate)),
        ("get", "/api/mfa/setup/{flow_id}", get(mfa::show_setup)),
        ("post", "/api/mfa/setup/{flow_id}", post(mfa::submit_setup)),
        ("delete", "/api/mfa/setup/{flow_id}", delete(mfa::cancel_setup)),
        ("post", "/api/proof", post(mfa::proof)),
        ("get", "/api/me", get(mfa::me)),
        ("patch", "/api/me", patch(people::change_me)),
        ("post", "/api/password", post(people::change_password)),
        ("post", "/api/password/forgotten", post(addresses::forgotten_password)),
        ("post", "/api/me/addresses", post(addresses::add_address)),
        ("post", "/api/me/addresses/{flow_id}", post(addresses::prove_address)),
        ("post", "/api/me/addresses/remove", post(addresses::remove_address)),
        ("get", "/api/me/sessions", get(sessions::list)),
        ("delete", "/api/me/sessions", delete(sessions::end_others)),
        ("delete", "/api/me/sessions/{id}", delete(sessions::end)),
        ("post", "/api/signup", post(people::sign_up)),
        ("get", "/api/users", get(people::list_users)),
        ("get", "/api/users/{id}", get(people::show_user)),
        ("patch", "/api/users/{id}", patch(people::change_user)),
        ("post", "/api/users/{id}/reset", post(people::reset_user)),
        ("delete", "/api/me/session", delete(mfa::sign_out)),
        ("get", "/healthz", get(status::healthz)),
        ("get", "/api/status", get(status::status)),
        ("get", "/api/openapi.json", get(openapi::serve)),
    ]
}

/// No such path.
async fn nowhere(State(flows): State<Flows>, request: Request) -> Response {
    match pages::nowhere(&flows, request).await {
        Some(page) => page,
        None => fences::no_route().await.into_response(),
    }
}

/// What HTTP is answered with under one state of settings and modules. No CORS header is ever sent and no cookie opens
/// anything: a token is shown by the client's own hand, so a foreign page has nothing to borrow and nothing to read.
pub struct Site {
    pub(super) flows: Flows,
    pub(super) router: Router,
    news: Arc<SettingsNews>,
    look: Arc<Look>,
    tls: Option<Arc<ServerConfig>>,
}

impl Site {
    pub fn new(current: &Current) -> Self {
        let flows = current.flows.clone();
        let router = routes()
            .into_iter()
            .chain(pages::routes())
            .fold(Router::new(), |router, (_, path, handler)| router.route(path, handler));
        let router = match flows.settings().development {
            // Of no use to a client, and codes can be read there: not part of the documented interface.
            Some(_) => {
                let messages = get(outbox::messages).layer(Extension(flows.delivery().clone()));
                router.route("/dev/outbox", messages)
            }
            None => router,
        };
        let router = router.fallback(nowhere).method_not_allowed_fallback(fences::no_method);
        // A layer costs every request; only who reads of routes pays for this one.
        let router = if tracing::enabled!(tracing::Level::DEBUG) {
            router.layer(middleware::from_fn(fences::name_route))
        } else {
            router
        };
        let tls = current.tls.as_ref().map(|tls| tls.identity.server.clone());
        Self {
            router: router.with_state(flows.clone()),
            flows,
            news: Arc::new(current.settings.clone()),
            look: current.look.clone(),
            tls,
        }
    }

    /// Whether this peer is a proxy that speaks for others.
    pub fn is_proxy(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.flows.settings().trusted_proxies.iter().any(|network| network.contains(&peer))
    }

    /// What new connections are greeted with; none where HTTP is spoken.
    pub fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.clone()
    }

    /// Where a client that spoke HTTP to a port with TLS should go: to where users are told to go, else to the very
    /// address it came to, since a host may listen on all there are.
    pub fn https_url(&self, came_to: SocketAddr) -> String {
        let settings = self.flows.settings();
        match &settings.public_url {
            Some(url) if url.scheme() == "https" => settings.base_url(),
            _ => format!("https://{came_to}"),
        }
    }

    /// Answers one request of this peer.
    pub async fn answer(&self, peer: SocketAddr, mut request: Request) -> Response {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(self.news.clone());
        request.extensions_mut().insert(self.look.clone());
        fences::answer(self, request).await
    }
}
