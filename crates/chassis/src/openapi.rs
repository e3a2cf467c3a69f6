//! The description of a service's routes (OpenAPI 3.1), made from the routes themselves.
//!
//! Problems are answers like any other, and are described once: a route names those that it
//! can give, and the document refers to them.
//!
//! ```
//! # use chassis::openapi::{Failures, NotFound};
//! #[utoipa::path(get, path = "/v1/things/{id}", responses((status = 200), NotFound, Failures))]
//! async fn thing() {}
//! ```

use std::collections::BTreeMap;
use types::{PROBLEM_CONTENT_TYPE, Problem};
use utoipa::{
    IntoResponses, PartialSchema, ToSchema,
    openapi::{
        Components, ContentBuilder, InfoBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder,
        schema::Schema,
    },
};
use utoipa_axum::router::OpenApiRouter;

/// The answers that are problems: their name in the document, their status, what they mean.
const PROBLEMS: &[(&str, u16, &str)] = &[
    ("BadRequest", 400, "The request is not valid"),
    ("Unauthorized", 401, "A valid bearer token is needed"),
    ("Forbidden", 403, "This is not allowed"),
    ("NotFound", 404, "Nothing is here"),
    ("TooSlow", 408, "The body did not come in time"),
    ("Conflict", 409, "It contradicts what is there"),
    (
        "PreconditionFailed",
        412,
        "It is not what the request expects it to be",
    ),
    ("TooLarge", 413, "The body is too large"),
    (
        "UnsupportedMediaType",
        415,
        "The body is not JSON by its content type",
    ),
    (
        "WrongShape",
        422,
        "The body or its key contradicts what is expected",
    ),
    ("TooManyRequests", 429, "Too many in a short time"),
    ("Internal", 500, "The service failed"),
    ("UpstreamFailed", 502, "A service below failed"),
    (
        "Unavailable",
        503,
        "The service is too busy, or something that it needs is not there",
    ),
    ("TimedOut", 504, "The time allowed is up"),
    ("StoreFull", 507, "The store has no room left"),
];

/// Declares a group of problems that routes name together.
macro_rules! groups {
    ($($(#[$doc:meta])+ $name:ident = [$($status:literal),+];)+) => {$(
        $(#[$doc])+
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                refer(&[$($status),+])
            }
        }
    )+};
}

groups! {
    /// What any route may answer: it failed, is too busy or too late.
    Failures = [500, 503, 504];
    /// What a route that writes may answer besides.
    WriteFailures = [500, 503, 504, 507];
    /// What a route that calls other services may answer.
    ChainFailures = [500, 502, 503, 504];
    /// What a route with a JSON body may answer to one that is wrong.
    BadBody = [400, 408, 413, 415, 422];
    /// The request is wrong.
    BadRequest = [400];
    /// Who asks is not known.
    Unauthorized = [401];
    /// Who asks may not.
    Forbidden = [403];
    /// Nothing is there.
    NotFound = [404];
    /// It contradicts what is there.
    Conflict = [409];
    /// It is not what the request expects it to be.
    PreconditionFailed = [412];
    /// It contradicts an earlier request.
    Unprocessable = [422];
    /// Too many in a short time.
    TooManyRequests = [429];
}

fn refer(statuses: &[u16]) -> BTreeMap<String, RefOr<Response>> {
    let named = PROBLEMS
        .iter()
        .filter(|(_, status, _)| statuses.contains(status));
    let reference = |(name, status, _): &(&str, u16, &str)| {
        let response = RefOr::Ref(Ref::from_response_name(*name));
        (status.to_string(), response)
    };
    named.map(reference).collect()
}

/// The document of `service`: its routes, and all that they refer to.
pub fn document<S>(service: &str, routes: &OpenApiRouter<S>) -> OpenApi
where
    S: Send + Sync + Clone + 'static,
{
    let mut document = routes.get_openapi().clone();
    document.info = InfoBuilder::new()
        .title(format!("nines {service}"))
        .version(env!("CARGO_PKG_VERSION"))
        .build();
    let components = document.components.get_or_insert_default();
    add_problems(components);
    document
}

/// The document as indented JSON, ending with a line feed.
pub fn text<S>(service: &str, routes: &OpenApiRouter<S>) -> String
where
    S: Send + Sync + Clone + 'static,
{
    // Texts, numbers and lists always serialise.
    let json = document(service, routes).to_pretty_json();
    json.unwrap_or_default() + "\n"
}

fn add_problems(components: &mut Components) {
    let mut schemas: Vec<(String, RefOr<Schema>)> = Vec::new();
    Problem::schemas(&mut schemas);
    schemas.push((Problem::name().into_owned(), Problem::schema()));
    components.schemas.extend(schemas);
    for (name, _, description) in PROBLEMS {
        let problem = Ref::from_schema_name(Problem::name());
        let content = ContentBuilder::new().schema(Some(problem)).build();
        let response = ResponseBuilder::new()
            .description(*description)
            .content(PROBLEM_CONTENT_TYPE, content)
            .build();
        components
            .responses
            .insert((*name).to_owned(), response.into());
    }
}
