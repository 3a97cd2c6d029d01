//! The macros of mfa-sdk: a form from a struct, and texts embedded from a folder. Both are documented in mfa-sdk.

mod form;
mod texts;

use proc_macro::TokenStream;
use syn::{DeriveInput, LitStr, parse_macro_input};

/// See `mfa_sdk::Form`.
#[proc_macro_derive(Form, attributes(form))]
pub fn derive_form(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    form::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// See `mfa_sdk::export_module!`.
#[proc_macro]
pub fn embed_texts(input: TokenStream) -> TokenStream {
    let folder = parse_macro_input!(input as LitStr);
    texts::expand(&folder).unwrap_or_else(syn::Error::into_compile_error).into()
}
