// SPDX-License-Identifier: MIT
//! `#[derive(Describe)]`: gives a struct or enum its name and the names of its fields or variants.
//! A procedural macro is a shared object that rustc loads into its own process, so the dynamic
//! loader, TLS and unwinding of the guest have to hold inside rustc itself.
//! It deliberately knows no generics.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::quote;

#[proc_macro_derive(Describe)]
pub fn describe(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand(input.into()).into()
}

fn expand(input: TokenStream) -> TokenStream {
    let mut kind = None;
    let mut name = None;
    let mut parts = Vec::new();
    let mut tokens = input.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "struct" || word == "enum" => {
                kind = Some(word.to_string());
                if let Some(TokenTree::Ident(ident)) = tokens.next() {
                    name = Some(ident);
                }
            }
            TokenTree::Group(group) if name.is_some() && group.delimiter() == Delimiter::Brace => {
                parts = members(group.stream(), kind.as_deref() == Some("enum"));
            }
            _ => {}
        }
    }
    let Some(name) = name else {
        return quote! { compile_error!("Describe needs a struct or an enum"); };
    };
    let text = name.to_string();
    quote! {
        impl #name {
            pub const NAME: &'static str = #text;
            pub const PARTS: &'static [&'static str] = &[#(#parts),*];
        }
    }
}

/// The identifiers before `:` (fields) or at the start of each comma-separated part (variants).
fn members(body: TokenStream, variants: bool) -> Vec<String> {
    let mut names = Vec::new();
    let mut last = None;
    let mut fresh = true;
    let mut depth = 0i32;
    for token in body {
        match token {
            TokenTree::Ident(word) if word == "pub" => {}
            TokenTree::Ident(word) => {
                if variants && fresh {
                    names.push(word.to_string());
                    fresh = false;
                }
                last = Some(word.to_string());
            }
            TokenTree::Punct(p) if p.as_char() == '<' => depth += 1,
            TokenTree::Punct(p) if p.as_char() == '>' => depth -= 1,
            TokenTree::Punct(p) if p.as_char() == ',' && depth == 0 => fresh = true,
            TokenTree::Punct(p) if p.as_char() == ':' && !variants && fresh => {
                names.extend(last.take());
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str) -> String {
        expand(source.parse().unwrap()).to_string()
    }

    #[test]
    fn names_the_fields_of_a_struct() {
        let out = text("pub struct P { pub x: u8, y: Vec<(u8, u16)>, z: i64 }");
        assert!(out.contains("& [\"x\" , \"y\" , \"z\"]"), "{out}");
    }

    #[test]
    fn names_the_variants_of_an_enum() {
        let out = text("enum E { A, B(u8), C { q: u8 } }");
        assert!(out.contains("& [\"A\" , \"B\" , \"C\"]"), "{out}");
    }

    #[test]
    fn refuses_what_is_neither() {
        assert!(text("union U").contains("compile_error"));
    }
}
