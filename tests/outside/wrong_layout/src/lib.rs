//! As the real ABI, but `create` takes its configuration as owned text and gives nothing that could be called. Calling
//! it as if it were the real one would be undefined.
#![allow(non_local_definitions, non_camel_case_types, reason = "what abi_stable's macros expand to")]

use abi_stable::{
    StableAbi,
    library::{CheckTypeLayout, LibHeader, RootModule, RootModuleResult},
    prefix_type::PrefixTypeTrait,
    sabi_types::VersionStrings,
    std_types::RString,
};

#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = ModuleRootRef)))]
pub struct ModuleRoot {
    pub describe: extern "C" fn() -> RString,
    #[sabi(last_prefix_field)]
    pub create: extern "C" fn(RString) -> u64,
}

impl RootModule for ModuleRootRef {
    abi_stable::declare_root_module_statics! {ModuleRootRef}
    const BASE_NAME: &'static str = "mfa_module";
    const NAME: &'static str = "mfa_module";
    const VERSION_STRINGS: VersionStrings = VersionStrings::new("1.0.0");
}

extern "C" fn describe() -> RString {
    eprintln!("CALLED: describe of a wrong layout");
    RString::new()
}

extern "C" fn create(_config: RString) -> u64 {
    eprintln!("CALLED: create of a wrong layout");
    0
}

fn root() -> ModuleRootRef {
    ModuleRoot { describe, create }.leak_into_prefix()
}

extern "C" fn constructor() -> RootModuleResult {
    abi_stable::library::__call_root_module_loader(root)
}

// SAFETY: `constructor` makes its pointer from a `ModuleRootRef` and from nothing else.
#[unsafe(no_mangle)]
pub static MFA_MODULE_V1: LibHeader =
    unsafe { LibHeader::from_constructor::<ModuleRootRef>(constructor, CheckTypeLayout::Yes) };
