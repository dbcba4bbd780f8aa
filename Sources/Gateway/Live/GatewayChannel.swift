import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOWebSocket
import Wire

/// A connection: HTTP, or a WebSocket where its first request asks for one.
struct GatewayChannel: ServerChildChannel, HTTPChannelHandler {
  typealias HTTPParts = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>
  typealias Frames = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>

  /// What a connection became.
  enum Kind: Sendable {
    case http(HTTPParts)
    case webSocket(Frames, HTTPRequestHead)
  }

  /// A connection whose first request is not read yet.
  struct Value: ServerChildChannelValue {
    let kind: EventLoopFuture<Kind>
    let channel: any NIOCore.Channel
  }

  /// Frames and messages of a client; ours of a thousand topics are larger, a client's are not.
  static let largestMessage = 65_536
  /// Between two requests.
  private static let idleSeconds: Int64 = 60
  /// For the first request's head, on which it depends what a connection becomes.
  private static let firstHeadSeconds: Int64 = 20

  let responder: HTTPChannelHandler.Responder
  let webSockets: WebSocketServer

  func setup(channel: any NIOCore.Channel, logger: Logger) -> EventLoopFuture<Value> {
    channel.eventLoop.makeCompletedFuture {
      let upgrader = NIOTypedWebSocketServerUpgrader<Kind>(
        maxFrameSize: Self.largestMessage, enableAutomaticErrorHandling: true,
        shouldUpgrade: { channel, head in
          channel.eventLoop.makeSucceededFuture(webSockets.takes(head) ? HTTPHeaders() : nil)
        },
        upgradePipelineHandler: { channel, head in
          channel.eventLoop.makeCompletedFuture {
            .webSocket(try Frames(wrappingChannelSynchronously: channel), head)
          }
        })
      let configuration = NIOTypedHTTPServerUpgradeConfiguration(upgraders: [upgrader]) { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
          try pipeline.addHandler(
            HTTPConnectionStateHandler(idleTimeout: .seconds(Self.idleSeconds), logger: logger))
          return .http(
            try HTTPParts(
              wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
          )
        }
      }
      var pipeline = NIOUpgradableHTTPServerPipelineConfiguration(upgradeConfiguration: configuration)
      // The loop over a connection's requests does it.
      pipeline.enablePipelining = false
      let kind = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
        configuration: pipeline)
      let limit = channel.eventLoop.scheduleTask(in: .seconds(Self.firstHeadSeconds)) {
        channel.close(promise: nil)
      }
      kind.whenComplete { _ in limit.cancel() }
      return Value(kind: kind, channel: channel)
    }
  }

  func handle(value: Value, logger: Logger) async {
    do {
      switch try await value.kind.get() {
      case .http(let parts): await handleHTTP(asyncChannel: parts, logger: logger)
      case .webSocket(let frames, let head): await webSockets.serve(frames, head)
      }
    } catch {
      // A first request that cannot be read, or a client that has gone.
      try? await value.channel.close()
    }
  }
}
