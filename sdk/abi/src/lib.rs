//! The stable ABI, version 1: one exported static `MFA_MODULE_V1`, one root with `describe` and `create`, one object
//! with the one method `call`. JSON text both ways, so nothing here ever grows. The one file that names abi_stable.
#![allow(non_local_definitions, non_camel_case_types, unsafe_code, reason = "what abi_stable's macros expand to")]

use abi_stable::{
    StableAbi,
    library::{CheckTypeLayout, LibHeader, RootModule, RootModuleResult},
    prefix_type::PrefixTypeTrait,
    sabi_trait,
    sabi_trait::TD_Opaque,
    sabi_types::VersionStrings,
    std_types::{RBox, RResult, RStr, RString},
};

/// Symbol of the exported static. Its number is the version of this ABI, apart from the crate's version.
pub const SYMBOL: &std::ffi::CStr = c"MFA_MODULE_V1";

/// The root of a module's library.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = ModuleRootRef)))]
pub struct ModuleRoot {
    /// A JSON `Description` of mfa-sdk's `protocol`.
    pub describe: extern "C" fn() -> RString,
    /// The module with this JSON configuration, or a JSON `ConfigError`.
    #[sabi(last_prefix_field)]
    pub create: extern "C" fn(RStr<'_>) -> RResult<ModuleObject, RString>,
}

impl RootModule for ModuleRootRef {
    abi_stable::declare_root_module_statics! {ModuleRootRef}
    const BASE_NAME: &'static str = "mfa_module";
    const NAME: &'static str = "mfa_module";
    const VERSION_STRINGS: VersionStrings = VersionStrings::new("1.0.0");
}

/// A configured module.
#[sabi_trait]
pub trait Callable: Send + Sync + 'static {
    /// A JSON `Request` in, a JSON `Reply` out.
    #[sabi(last_prefix_field)]
    fn call(&self, request: RStr<'_>) -> RString;
}

/// A configured module behind the ABI.
pub type ModuleObject = Callable_TO<RBox<()>>;

/// What an export has to offer; the SDK's adapter does, and no panic leaves it.
#[doc(hidden)]
pub trait Export: Sized + Send + Sync + 'static {
    fn describe() -> String;
    fn create(config: &str) -> Result<Self, String>;
    fn call(&self, request: &str) -> String;
}

struct Exported<E>(E);

impl<E: Export> Callable for Exported<E> {
    fn call(&self, request: RStr<'_>) -> RString {
        self.0.call(request.as_str()).into()
    }
}

extern "C" fn describe<E: Export>() -> RString {
    E::describe().into()
}

extern "C" fn create<E: Export>(config: RStr<'_>) -> RResult<ModuleObject, RString> {
    match E::create(config.as_str()) {
        Ok(module) => RResult::ROk(Callable_TO::from_value(Exported(module), TD_Opaque)),
        Err(error) => RResult::RErr(error.into()),
    }
}

fn root<E: Export>() -> ModuleRootRef {
    ModuleRoot { describe: describe::<E>, create: create::<E> }.leak_into_prefix()
}

extern "C" fn constructor<E: Export>() -> RootModuleResult {
    abi_stable::library::__call_root_module_loader(root::<E>)
}

#[doc(hidden)]
pub use abi_stable::library::LibHeader as Header;

/// The header a library exports.
#[doc(hidden)]
pub const fn header<E: Export>() -> Header {
    // SAFETY: `constructor` makes its pointer from a `ModuleRootRef` and from nothing else.
    unsafe { LibHeader::from_constructor::<ModuleRootRef>(constructor::<E>, CheckTypeLayout::Yes) }
}

/// Exports a type that implements [`Export`] as the module of this library.
#[doc(hidden)]
#[macro_export]
macro_rules! export_abi {
    ($export:ty) => {
        const _: () = {
            assert!(
                cfg!(panic = "unwind"),
                "a module must be built with panic = \"unwind\": a panic then costs one call and not the module"
            );
            #[unsafe(export_name = "MFA_MODULE_V1")]
            pub static MFA_MODULE_V1: $crate::Header = $crate::header::<$export>();
        };
    };
}
