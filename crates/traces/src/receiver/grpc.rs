//! The entrance for gRPC.

use super::{
    BODY_LIMIT,
    intake::{Closed, Intake},
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use std::sync::Arc;
use tonic::{Request, Response, Status, codec::CompressionEncoding, service::Routes};

struct Entrance(Arc<Intake>);

pub(super) fn routes(intake: Arc<Intake>) -> Routes {
    let service = TraceServiceServer::new(Entrance(intake))
        .max_decoding_message_size(BODY_LIMIT)
        .accept_compressed(CompressionEncoding::Gzip);
    Routes::new(service)
}

#[tonic::async_trait]
impl TraceService for Entrance {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        match self.0.accept(request.get_ref(), None) {
            Ok(response) => Ok(Response::new(response)),
            Err(Closed) => Err(Status::unavailable("the receiver is closed")),
        }
    }
}
