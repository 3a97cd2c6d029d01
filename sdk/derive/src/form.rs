//! `#[derive(Form)]`: each field of the struct is a field of the form.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{
    Attribute, Data, DeriveInput, Error, Fields, GenericArgument, Lit, LitInt, LitStr, PathArguments, Result, Token,
    Type, meta::ParseNestedMeta, parenthesized, punctuated::Punctuated, spanned::Spanned,
};

/// Most digits or characters a code of digits or letters may have.
const CODE_LENGTH_MAX: usize = 128;

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(input.ident.span(), "a form is a struct with named fields"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new(input.ident.span(), "a form is a struct with named fields"));
    };
    if !input.generics.params.is_empty() {
        return Err(Error::new(input.generics.span(), "a form has no generic parameters"));
    }
    if let Some(attribute) = input.attrs.iter().find(|attribute| attribute.path().is_ident("form")) {
        return Err(Error::new(attribute.span(), "`#[form(…)]` belongs to a field"));
    }
    let fields: Vec<FormField<'_>> = fields.named.iter().map(FormField::parse).collect::<Result<_>>()?;
    let shown = fields.iter().map(FormField::shown);
    let read = fields.iter().map(FormField::read);
    let ident = &input.ident;
    Ok(quote! {
        impl ::mfa_sdk::FormInput for #ident {
            fn form() -> ::mfa_sdk::Form {
                ::mfa_sdk::Form::new() #( .field(#shown) )*
            }

            fn from_fields(
                fields: &::mfa_sdk::form::Fields,
            ) -> ::core::result::Result<Self, ::mfa_sdk::InputError> {
                ::core::result::Result::Ok(Self { #( #read )* })
            }
        }
    })
}

struct FormField<'a> {
    ident: &'a syn::Ident,
    name: String,
    required: bool,
    words: Words,
}

/// What the attribute says.
#[derive(Default)]
struct Words {
    kind: Option<TokenStream>,
    label: Option<LitStr>,
    help: Option<LitStr>,
    default: Option<Lit>,
    masked: bool,
}

impl<'a> FormField<'a> {
    fn parse(field: &'a syn::Field) -> Result<Self> {
        let ident = field.ident.as_ref().ok_or_else(|| Error::new(field.span(), "a form's fields have names"))?;
        let name = ident.to_string().trim_start_matches("r#").to_owned();
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.len() > 64 || !name.bytes().all(fits) {
            return Err(Error::new(ident.span(), "a field's name has 1 to 64 of `a-z`, `0-9` and `_`"));
        }
        let (boolean, required) = shape(&field.ty)?;
        let mut words = Words::default();
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("form")) {
            words.read(attribute, &name, boolean)?;
        }
        if words.kind.is_none() {
            words.kind = Some(match boolean {
                true => quote!(Boolean),
                false => quote!(Text { length_max: ::mfa_sdk::form::FIELD_BYTES_MAX }),
            });
        }
        Ok(Self { ident, name, required, words })
    }

    /// An expression of the form's field.
    fn shown(&self) -> TokenStream {
        let Self { name, required, words: Words { kind, label, help, default, masked }, .. } = self;
        let text = |key: &Option<LitStr>| match key {
            Some(key) => quote!(::core::option::Option::Some(::mfa_sdk::Text::new(#key))),
            None => quote!(::core::option::Option::None),
        };
        let (label, help) = (text(label), text(help));
        let default = match default {
            Some(value) => quote!(::core::option::Option::Some(::mfa_sdk::Value::from(#value))),
            None => quote!(::core::option::Option::None),
        };
        quote! {
            ::mfa_sdk::Field {
                name: ::std::string::String::from(#name),
                kind: ::mfa_sdk::FieldKind::#kind,
                label: #label,
                help: #help,
                required: #required,
                default: #default,
                masked: #masked,
            }
        }
    }

    /// The struct's field, read from the answer.
    fn read(&self) -> TokenStream {
        let Self { ident, name, .. } = self;
        quote!(#ident: ::mfa_sdk::input::FromField::from_field(fields, #name)?,)
    }
}

/// Whether the type is a boolean, and whether the field is required.
fn shape(kind: &Type) -> Result<(bool, bool)> {
    let refused = || Error::new(kind.span(), "a form field is a `String`, a `bool` or an `Option` of one of them");
    let Type::Path(path) = kind else { return Err(refused()) };
    let last = path.path.segments.last().ok_or_else(refused)?;
    match (last.ident.to_string().as_str(), &last.arguments) {
        ("String", PathArguments::None) => Ok((false, true)),
        ("bool", PathArguments::None) => Ok((true, true)),
        ("Option", PathArguments::AngleBracketed(arguments)) => match arguments.args.first() {
            Some(GenericArgument::Type(inner)) => match shape(inner) {
                Ok((boolean, true)) => Ok((boolean, false)),
                _ => Err(refused()),
            },
            _ => Err(refused()),
        },
        _ => Err(refused()),
    }
}

impl Words {
    fn read(&mut self, attribute: &Attribute, name: &str, boolean: bool) -> Result<()> {
        attribute.parse_nested_meta(|meta| {
            let word = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            match word.as_str() {
                "label" => return once(&mut self.label, &meta, |meta| meta.value()?.parse()),
                "help" => return once(&mut self.help, &meta, |meta| meta.value()?.parse()),
                "masked" if boolean => return Err(meta.error("a `bool` is not typed, so it cannot be masked")),
                "masked" => {
                    self.masked = true;
                    return Ok(());
                }
                "default" => return once(&mut self.default, &meta, |meta| default_value(meta, boolean)),
                _ => {}
            }
            let kind = kind(&word, &meta, name)?;
            if boolean {
                return Err(meta.error("a `bool` is a yes or no and takes no other kind"));
            }
            if self.kind.replace(kind).is_some() {
                return Err(meta.error("a field has one kind"));
            }
            Ok(())
        })
    }
}

fn once<T>(
    place: &mut Option<T>,
    meta: &ParseNestedMeta<'_>,
    read: impl FnOnce(&ParseNestedMeta<'_>) -> Result<T>,
) -> Result<()> {
    match place.replace(read(meta)?) {
        None => Ok(()),
        Some(_) => Err(meta.error("said twice")),
    }
}

fn default_value(meta: &ParseNestedMeta<'_>, boolean: bool) -> Result<Lit> {
    let value: Lit = meta.value()?.parse()?;
    match (&value, boolean) {
        (Lit::Str(_), false) | (Lit::Bool(_), true) => Ok(value),
        (_, true) => Err(Error::new(value.span(), "the default of a `bool` is `true` or `false`")),
        (_, false) => Err(Error::new(value.span(), "the default of a text is a text")),
    }
}

/// A variant of `FieldKind`.
fn kind(word: &str, meta: &ParseNestedMeta<'_>, name: &str) -> Result<TokenStream> {
    Ok(match word {
        "email" => quote!(Email),
        "phone" => quote!(Phone),
        "password" if !meta.input.peek(Token![=]) => {
            quote!(Password { length_max: ::mfa_sdk::form::FIELD_BYTES_MAX })
        }
        "password" => {
            let length_max = length(&meta.value()?.parse()?, 1024)?;
            quote!(Password { length_max: #length_max })
        }
        "text" => {
            let length_max = length(&meta.value()?.parse()?, usize::MAX)?;
            quote!(Text { length_max: #length_max })
        }
        "code" => {
            let (length_min, length_max) = code(meta)?;
            quote!(Code { length_min: #length_min, length_max: #length_max })
        }
        "digits" => {
            let (length_min, length_max) = digits(meta)?;
            quote!(Digits { length_min: #length_min, length_max: #length_max })
        }
        "select" => select(meta, name)?,
        _ => {
            return Err(meta.error(
                "not a word of `#[form(…)]`: `text`, `digits`, `code`, `password`, `email`, `phone`, `select`, \
                 `label`, `help`, `default`, `masked`",
            ));
        }
    })
}

/// `code = 32` says the longest, `code(10, 32)` both bounds.
fn code(meta: &ParseNestedMeta<'_>) -> Result<(usize, usize)> {
    if meta.input.peek(Token![=]) {
        return Ok((1, length(&meta.value()?.parse()?, CODE_LENGTH_MAX)?));
    }
    bounds(meta, "write `code = 32` or `code(10, 32)`")
}

fn digits(meta: &ParseNestedMeta<'_>) -> Result<(usize, usize)> {
    if meta.input.peek(Token![=]) {
        let exact = length(&meta.value()?.parse()?, CODE_LENGTH_MAX)?;
        return Ok((exact, exact));
    }
    bounds(meta, "write `digits = 6` or `digits(4, 8)`")
}

fn bounds(meta: &ParseNestedMeta<'_>, how: &str) -> Result<(usize, usize)> {
    let bounds: Punctuated<LitInt, Token![,]> = listed(meta)?;
    let mut bounds = bounds.iter();
    let (Some(min), Some(max), None) = (bounds.next(), bounds.next(), bounds.next()) else {
        return Err(meta.error(how));
    };
    let (length_min, length_max) = (length(min, CODE_LENGTH_MAX)?, length(max, CODE_LENGTH_MAX)?);
    match length_min <= length_max {
        true => Ok((length_min, length_max)),
        false => Err(Error::new(max.span(), "the longest is shorter than the shortest")),
    }
}

fn select(meta: &ParseNestedMeta<'_>, name: &str) -> Result<TokenStream> {
    let values: Punctuated<LitStr, Token![,]> = listed(meta)?;
    if values.is_empty() {
        return Err(meta.error("a choice has at least one option: `select(\"red\", \"blue\")`"));
    }
    let options = values.iter().map(|value| {
        let key = format!("{name}_{}", value.value());
        quote!((::std::string::String::from(#value), ::mfa_sdk::Text::new(#key)))
    });
    Ok(quote!(Select { options: ::std::vec![#(#options),*] }))
}

fn listed<T: syn::parse::Parse>(meta: &ParseNestedMeta<'_>) -> Result<Punctuated<T, Token![,]>> {
    let content;
    parenthesized!(content in meta.input);
    content.parse_terminated(T::parse, Token![,])
}

fn length(literal: &LitInt, most: usize) -> Result<usize> {
    let span: Span = literal.span();
    match literal.base10_parse::<usize>() {
        Ok(length) if (1..=most).contains(&length) => Ok(length),
        Ok(_) if most == usize::MAX => Err(Error::new(span, "a length is at least 1")),
        _ => Err(Error::new(span, format!("a length is a number from 1 to {most}"))),
    }
}
