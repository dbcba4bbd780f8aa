extension CommandReply {
  /// The reply as every interface sends it: `{"id":…,"result":"executed"}`, or `refused` with its reason.
  package func replyJSON(id: String) -> String {
    switch self {
    case .executed: "{\"id\":\(JSON.quoted(id)),\"result\":\"executed\"}"
    case .refused(let reason):
      "{\"id\":\(JSON.quoted(id)),\"result\":\"refused\",\"reason\":\(JSON.quoted(reason))}"
    }
  }
}
