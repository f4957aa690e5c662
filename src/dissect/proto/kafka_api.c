#include "dissect/proto/kafka_api.h"

#define THROTTLED_ERROR "throttle_time_ms:i32 error_code:i16"

static const struct kafka_api apis[] = {
    {0, 9, 13, "Produce",
     "transactional_id:str@3 acks:i16 timeout_ms:i32 topic_data:[topic:str@0-12 topic_id:uuid@13 "
     "partition_data:[partition:i32 records:rec]]",
     "responses:[topic:str@0-12 topic_id:uuid@13 partition_responses:[partition:i32 error_code:i16 "
     "base_offset:i64 log_append_time_ms:i64@2 log_start_offset:i64@5 "
     "record_errors:[batch_index:i32 batch_index_error_message:str]@8 error_message:str@8]] "
     "throttle_time_ms:i32@1"},
    {1, 12, 18, "Fetch",
     "replica_id:i32@0-14 max_wait_ms:i32 min_bytes:i32 max_bytes:i32@3 isolation_level:i8@4 "
     "session_id:i32@7 session_epoch:i32@7 topics:[topic:str@0-12 topic_id:uuid@13 "
     "partitions:[partition:i32 current_leader_epoch:i32@9 fetch_offset:i64 "
     "last_fetched_epoch:i32@12 log_start_offset:i64@5 partition_max_bytes:i32]] "
     "forgotten_topics:[topic:str@7-12 topic_id:uuid@13 partitions:[i32]]@7 rack_id:str@11",
     "throttle_time_ms:i32@1 error_code:i16@7 session_id:i32@7 responses:[topic:str@0-12 "
     "topic_id:uuid@13 partitions:[partition:i32 error_code:i16 high_watermark:i64 "
     "last_stable_offset:i64@4 log_start_offset:i64@5 "
     "aborted_transactions:[producer_id:i64 first_offset:i64]@4 preferred_read_replica:i32@11 "
     "records:rec]]"},
    {2, 6, 11, "ListOffsets",
     "replica_id:i32 isolation_level:i8@2 topics:[topic:str partitions:[partition:i32 "
     "current_leader_epoch:i32@4 timestamp:i64 max_num_offsets:i32@0-0]] timeout_ms:i32@10",
     "throttle_time_ms:i32@2 topics:[topic:str partitions:[partition:i32 error_code:i16 "
     "offsets:[i64]@0-0 timestamp:i64@1 offset:i64@1 leader_epoch:i32@4]]"},
    {3, 9, 13, "Metadata",
     "topics:[topic_id:uuid@10 topic:str] allow_auto_topic_creation:bool@4 "
     "include_cluster_authorized_operations:bool@8-10 include_topic_authorized_operations:bool@8",
     "throttle_time_ms:i32@3 brokers:[node_id:i32 host:str port:i32 rack:str@1] cluster_id:str@2 "
     "controller_id:i32@1 topics:[error_code:i16 topic:str topic_id:uuid@10 is_internal:bool@1 "
     "partitions:[error_code:i16 partition:i32 leader_id:i32 leader_epoch:i32@7 "
     "replica_nodes:[i32] isr_nodes:[i32] offline_replicas:[i32]@5] "
     "topic_authorized_operations:i32@8] cluster_authorized_operations:i32@8-10 error_code:i16@13"},
    {4, 4, 7, "LeaderAndIsr", NULL, NULL},
    {5, 2, 4, "StopReplica", NULL, NULL},
    {6, 6, 8, "UpdateMetadata", NULL, NULL},
    {7, 3, 3, "ControlledShutdown", "broker_id:i32 broker_epoch:i64@2",
     "error_code:i16 remaining_partitions:[topic:str partition:i32]"},
    {8, 8, 10, "OffsetCommit",
     "group_id:str generation_id:i32@1 member_id:str@1 group_instance_id:str@7 "
     "retention_time_ms:i64@2-4 topics:[topic:str@0-9 topic_id:uuid@10 partitions:[partition:i32 "
     "committed_offset:i64 committed_leader_epoch:i32@6 commit_timestamp:i64@1-1 "
     "committed_metadata:str]]",
     "throttle_time_ms:i32@3 topics:[topic:str@0-9 topic_id:uuid@10 partitions:[partition:i32 "
     "error_code:i16]]"},
    {9, 6, 10, "OffsetFetch",
     "group_id:str@0-7 topics:[topic:str partitions:[i32]]@0-7 groups:[group_id:str "
     "member_id:str@9 member_epoch:i32@9 topics:[topic:str@0-9 topic_id:uuid@10 "
     "partitions:[i32]]]@8 require_stable:bool@7",
     "throttle_time_ms:i32@3 topics:[topic:str partitions:[partition:i32 committed_offset:i64 "
     "committed_leader_epoch:i32@5 metadata:str error_code:i16]]@0-7 error_code:i16@2-7 "
     "groups:[group_id:str topics:[topic:str@0-9 topic_id:uuid@10 partitions:[partition:i32 "
     "committed_offset:i64 committed_leader_epoch:i32 metadata:str error_code:i16]] "
     "error_code:i16]@8"},
    {10, 3, 6, "FindCoordinator", "key:str@0-3 key_type:i8@1 coordinator_keys:[str]@4",
     "throttle_time_ms:i32@1 error_code:i16@0-3 error_message:str@1-3 node_id:i32@0-3 "
     "host:str@0-3 port:i32@0-3 coordinators:[key:str node_id:i32 host:str port:i32 error_code:i16 "
     "error_message:str]@4"},
    {11, 6, 9, "JoinGroup",
     "group_id:str session_timeout_ms:i32 rebalance_timeout_ms:i32@1 member_id:str "
     "group_instance_id:str@5 protocol_type:str protocols:[name:str metadata:bytes] reason:str@8",
     "throttle_time_ms:i32@2 error_code:i16 generation_id:i32 protocol_type:str@7 "
     "protocol_name:str leader:str skip_assignment:bool@9 member_id:str members:[member_id:str "
     "group_instance_id:str@5 metadata:bytes]"},
    {12, 4, 4, "Heartbeat", "group_id:str generation_id:i32 member_id:str group_instance_id:str@3",
     "throttle_time_ms:i32@1 error_code:i16"},
    {13, 4, 5, "LeaveGroup",
     "group_id:str member_id:str@0-2 members:[member_id:str group_instance_id:str reason:str@5]@3",
     "throttle_time_ms:i32@1 error_code:i16 members:[member_id:str group_instance_id:str "
     "error_code:i16]@3"},
    {14, 4, 5, "SyncGroup",
     "group_id:str generation_id:i32 member_id:str group_instance_id:str@3 protocol_type:str@5 "
     "protocol_name:str@5 assignments:[member_id:str assignment:bytes]",
     "throttle_time_ms:i32@1 error_code:i16 protocol_type:str@5 protocol_name:str@5 "
     "assignment:bytes"},
    {15, 5, 6, "DescribeGroups", "groups:[str] include_authorized_operations:bool@3",
     "throttle_time_ms:i32@1 groups:[error_code:i16 error_message:str@6 group_id:str "
     "group_state:str protocol_type:str protocol_data:str members:[member_id:str "
     "group_instance_id:str@4 client_id:str client_host:str member_metadata:bytes "
     "member_assignment:bytes] authorized_operations:i32@3]"},
    {16, 3, 5, "ListGroups", "states_filter:[str]@4 types_filter:[str]@5",
     "throttle_time_ms:i32@1 error_code:i16 groups:[group_id:str protocol_type:str "
     "group_state:str@4 group_type:str@5]"},
    {17, KAFKA_NEVER, 1, "SaslHandshake", "mechanism:str", "error_code:i16 mechanisms:[str]"},
    {18, 3, 5, "ApiVersions", "client_software_name:str@3 client_software_version:str@3",
     "error_code:i16 api_keys:[api_key:i16 min_version:i16 max_version:i16] "
     "throttle_time_ms:i32@1"},
    {19, 5, 7, "CreateTopics",
     "topics:[topic:str num_partitions:i32 replication_factor:i16 assignments:[partition:i32 "
     "broker_ids:[i32]] configs:[name:str value:str]] timeout_ms:i32 validate_only:bool@1",
     "throttle_time_ms:i32@2 topics:[topic:str topic_id:uuid@7 error_code:i16 error_message:str@1 "
     "num_partitions:i32@5 replication_factor:i16@5 configs:[name:str value:str read_only:bool "
     "config_source:i8 is_sensitive:bool]@5]"},
    {20, 4, 6, "DeleteTopics",
     "topics:[topic:str topic_id:uuid]@6 topic_names:[str]@0-5 timeout_ms:i32",
     "throttle_time_ms:i32@1 responses:[topic:str topic_id:uuid@6 error_code:i16 "
     "error_message:str@5]"},
    {21, 2, 2, "DeleteRecords",
     "topics:[topic:str partitions:[partition:i32 offset:i64]] timeout_ms:i32",
     "throttle_time_ms:i32 topics:[topic:str partitions:[partition:i32 low_watermark:i64 "
     "error_code:i16]]"},
    {22, 2, 6, "InitProducerId",
     "transactional_id:str transaction_timeout_ms:i32 producer_id:i64@3 producer_epoch:i16@3 "
     "enable_2pc:bool@6 keep_prepared_txn:bool@6",
     THROTTLED_ERROR " producer_id:i64 producer_epoch:i16 ongoing_txn_producer_id:i64@6 "
                     "ongoing_txn_producer_epoch:i16@6"},
    {23, 4, 4, "OffsetForLeaderEpoch",
     "replica_id:i32@3 topics:[topic:str partitions:[partition:i32 current_leader_epoch:i32@2 "
     "leader_epoch:i32]]",
     "throttle_time_ms:i32@2 topics:[topic:str partitions:[error_code:i16 partition:i32 "
     "leader_epoch:i32@1 end_offset:i64]]"},
    {24, 3, 5, "AddPartitionsToTxn",
     "transactions:[transactional_id:str producer_id:i64 producer_epoch:i16 verify_only:bool "
     "topics:[topic:str partitions:[i32]]]@4 transactional_id:str@0-3 producer_id:i64@0-3 "
     "producer_epoch:i16@0-3 topics:[topic:str partitions:[i32]]@0-3",
     "throttle_time_ms:i32 error_code:i16@4 results_by_transaction:[transactional_id:str "
     "topic_results:[topic:str partition_results:[partition:i32 error_code:i16]]]@4 "
     "results:[topic:str partition_results:[partition:i32 error_code:i16]]@0-3"},
    {25, 3, 4, "AddOffsetsToTxn",
     "transactional_id:str producer_id:i64 producer_epoch:i16 group_id:str", THROTTLED_ERROR},
    {26, 3, 5, "EndTxn", "transactional_id:str producer_id:i64 producer_epoch:i16 committed:bool",
     THROTTLED_ERROR " producer_id:i64@5 producer_epoch:i16@5"},
    {27, 1, 2, "WriteTxnMarkers", NULL, NULL},
    {28, 3, 5, "TxnOffsetCommit",
     "transactional_id:str group_id:str producer_id:i64 producer_epoch:i16 generation_id:i32@3 "
     "member_id:str@3 group_instance_id:str@3 topics:[topic:str partitions:[partition:i32 "
     "committed_offset:i64 committed_leader_epoch:i32@2 committed_metadata:str]]",
     "throttle_time_ms:i32 topics:[topic:str partitions:[partition:i32 error_code:i16]]"},
    {29, 2, 3, "DescribeAcls", NULL, NULL},
    {30, 2, 3, "CreateAcls", NULL, NULL},
    {31, 2, 3, "DeleteAcls", NULL, NULL},
    {32, 4, 4, "DescribeConfigs",
     "resources:[resource_type:i8 resource_name:str configuration_keys:[str]] "
     "include_synonyms:bool@1 include_documentation:bool@3",
     "throttle_time_ms:i32 results:[error_code:i16 error_message:str resource_type:i8 "
     "resource_name:str configs:[name:str value:str read_only:bool is_default:bool@0-0 "
     "config_source:i8@1 is_sensitive:bool synonyms:[name:str value:str source:i8]@1 "
     "config_type:i8@3 documentation:str@3]]"},
    {33, 2, 2, "AlterConfigs", NULL, NULL},
    {34, 2, 2, "AlterReplicaLogDirs", NULL, NULL},
    {35, 2, 5, "DescribeLogDirs", NULL, NULL},
    {36, 2, 2, "SaslAuthenticate", "auth_bytes:secret",
     "error_code:i16 error_message:str auth_bytes:secret session_lifetime_ms:i64@1"},
    {37, 2, 3, "CreatePartitions",
     "topics:[topic:str count:i32 assignments:[broker_ids:[i32]]] timeout_ms:i32 "
     "validate_only:bool",
     "throttle_time_ms:i32 results:[topic:str error_code:i16 error_message:str]"},
    {38, 2, 3, "CreateDelegationToken", NULL, NULL},
    {39, 2, 2, "RenewDelegationToken", NULL, NULL},
    {40, 2, 2, "ExpireDelegationToken", NULL, NULL},
    {41, 2, 3, "DescribeDelegationToken", NULL, NULL},
    {42, 2, 3, "DeleteGroups", "groups_names:[str]",
     "throttle_time_ms:i32 results:[group_id:str error_code:i16]"},
    {43, 2, 2, "ElectLeaders", NULL, NULL},
    {44, 1, 1, "IncrementalAlterConfigs", NULL, NULL},
    {45, 0, 1, "AlterPartitionReassignments", NULL, NULL},
    {46, 0, 0, "ListPartitionReassignments", NULL, NULL},
    {47, KAFKA_NEVER, 0, "OffsetDelete",
     "group_id:str topics:[topic:str partitions:[partition:i32]]",
     "error_code:i16 throttle_time_ms:i32 topics:[topic:str partitions:[partition:i32 "
     "error_code:i16]]"},
    {48, 1, 1, "DescribeClientQuotas", NULL, NULL},
    {49, 1, 1, "AlterClientQuotas", NULL, NULL},
    {50, 0, 0, "DescribeUserScramCredentials", NULL, NULL},
    {51, 0, 0, "AlterUserScramCredentials", NULL, NULL},
    {52, 0, 2, "Vote", NULL, NULL},
    {53, 1, 1, "BeginQuorumEpoch", NULL, NULL},
    {54, 1, 1, "EndQuorumEpoch", NULL, NULL},
    {55, 0, 2, "DescribeQuorum", NULL, NULL},
    {56, 0, 3, "AlterPartition", NULL, NULL},
    {57, 0, 2, "UpdateFeatures", NULL, NULL},
    {58, 0, 0, "Envelope", NULL, NULL},
    {59, 0, 1, "FetchSnapshot", NULL, NULL},
    {60, 0, 2, "DescribeCluster",
     "include_cluster_authorized_operations:bool endpoint_type:i8@1 include_fenced_brokers:bool@2",
     THROTTLED_ERROR " error_message:str endpoint_type:i8@1 cluster_id:str controller_id:i32 "
                     "brokers:[broker_id:i32 host:str port:i32 rack:str is_fenced:bool@2] "
                     "cluster_authorized_operations:i32"},
    {61, 0, 0, "DescribeProducers", NULL, NULL},
    {62, 0, 4, "BrokerRegistration", NULL, NULL},
    {63, 0, 1, "BrokerHeartbeat", NULL, NULL},
    {64, 0, 0, "UnregisterBroker", NULL, NULL},
    {65, 0, 0, "DescribeTransactions", NULL, NULL},
    {66, 0, 2, "ListTransactions", NULL, NULL},
    {67, 0, 0, "AllocateProducerIds", NULL, NULL},
    {68, 0, 1, "ConsumerGroupHeartbeat",
     "group_id:str member_id:str member_epoch:i32 instance_id:str rack_id:str "
     "rebalance_timeout_ms:i32 subscribed_topic_names:[str] subscribed_topic_regex:str@1 "
     "server_assignor:str topic_partitions:[topic_id:uuid partitions:[i32]]",
     THROTTLED_ERROR " error_message:str member_id:str member_epoch:i32 "
                     "heartbeat_interval_ms:i32 *"},
    {69, 0, 1, "ConsumerGroupDescribe", NULL, NULL},
    {70, 0, 0, "ControllerRegistration", NULL, NULL},
    {71, 0, 0, "GetTelemetrySubscriptions", NULL, NULL},
    {72, 0, 0, "PushTelemetry", NULL, NULL},
    {73, 0, 0, "AssignReplicasToDirs", NULL, NULL},
    {74, 0, 1, "ListConfigResources", NULL, NULL},
    {75, 0, 0, "DescribeTopicPartitions", NULL, NULL},
    {76, 0, 1, "ShareGroupHeartbeat", NULL, NULL},
    {77, 0, 1, "ShareGroupDescribe", NULL, NULL},
    {78, 0, 2, "ShareFetch", NULL, NULL},
    {79, 0, 2, "ShareAcknowledge", NULL, NULL},
    {80, 0, 1, "AddRaftVoter", NULL, NULL},
    {81, 0, 0, "RemoveRaftVoter", NULL, NULL},
    {82, 0, 0, "UpdateRaftVoter", NULL, NULL},
    {83, 0, 0, "InitializeShareGroupState", NULL, NULL},
    {84, 0, 0, "ReadShareGroupState", NULL, NULL},
    {85, 0, 1, "WriteShareGroupState", NULL, NULL},
    {86, 0, 0, "DeleteShareGroupState", NULL, NULL},
    {87, 0, 1, "ReadShareGroupStateSummary", NULL, NULL},
    {88, 0, 0, "StreamsGroupHeartbeat", NULL, NULL},
    {89, 0, 0, "StreamsGroupDescribe", NULL, NULL},
    {90, 0, 1, "DescribeShareGroupOffsets", NULL, NULL},
    {91, 0, 0, "AlterShareGroupOffsets", NULL, NULL},
    {92, 0, 0, "DeleteShareGroupOffsets", NULL, NULL},
};

const struct kafka_api *kafka_api_find(int16_t key)
{
    size_t count = sizeof apis / sizeof apis[0];
    return key >= 0 && (size_t)key < count && apis[key].key == key ? &apis[key] : NULL;
}

static const char *const error_names[] = {
    "UNKNOWN_SERVER_ERROR",
    "NONE",
    "OFFSET_OUT_OF_RANGE",
    "CORRUPT_MESSAGE",
    "UNKNOWN_TOPIC_OR_PARTITION",
    "INVALID_FETCH_SIZE",
    "LEADER_NOT_AVAILABLE",
    "NOT_LEADER_OR_FOLLOWER",
    "REQUEST_TIMED_OUT",
    "BROKER_NOT_AVAILABLE",
    "REPLICA_NOT_AVAILABLE",
    "MESSAGE_TOO_LARGE",
    "STALE_CONTROLLER_EPOCH",
    "OFFSET_METADATA_TOO_LARGE",
    "NETWORK_EXCEPTION",
    "COORDINATOR_LOAD_IN_PROGRESS",
    "COORDINATOR_NOT_AVAILABLE",
    "NOT_COORDINATOR",
    "INVALID_TOPIC_EXCEPTION",
    "RECORD_LIST_TOO_LARGE",
    "NOT_ENOUGH_REPLICAS",
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
    "INVALID_REQUIRED_ACKS",
    "ILLEGAL_GENERATION",
    "INCONSISTENT_GROUP_PROTOCOL",
    "INVALID_GROUP_ID",
    "UNKNOWN_MEMBER_ID",
    "INVALID_SESSION_TIMEOUT",
    "REBALANCE_IN_PROGRESS",
    "INVALID_COMMIT_OFFSET_SIZE",
    "TOPIC_AUTHORIZATION_FAILED",
    "GROUP_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
    "INVALID_TIMESTAMP",
    "UNSUPPORTED_SASL_MECHANISM",
    "ILLEGAL_SASL_STATE",
    "UNSUPPORTED_VERSION",
    "TOPIC_ALREADY_EXISTS",
    "INVALID_PARTITIONS",
    "INVALID_REPLICATION_FACTOR",
    "INVALID_REPLICA_ASSIGNMENT",
    "INVALID_CONFIG",
    "NOT_CONTROLLER",
    "INVALID_REQUEST",
    "UNSUPPORTED_FOR_MESSAGE_FORMAT",
    "POLICY_VIOLATION",
    "OUT_OF_ORDER_SEQUENCE_NUMBER",
    "DUPLICATE_SEQUENCE_NUMBER",
    "INVALID_PRODUCER_EPOCH",
    "INVALID_TXN_STATE",
    "INVALID_PRODUCER_ID_MAPPING",
    "INVALID_TRANSACTION_TIMEOUT",
    "CONCURRENT_TRANSACTIONS",
    "TRANSACTION_COORDINATOR_FENCED",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    "SECURITY_DISABLED",
    "OPERATION_NOT_ATTEMPTED",
    "KAFKA_STORAGE_ERROR",
    "LOG_DIR_NOT_FOUND",
    "SASL_AUTHENTICATION_FAILED",
    "UNKNOWN_PRODUCER_ID",
    "REASSIGNMENT_IN_PROGRESS",
    "DELEGATION_TOKEN_AUTH_DISABLED",
    "DELEGATION_TOKEN_NOT_FOUND",
    "DELEGATION_TOKEN_OWNER_MISMATCH",
    "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED",
    "DELEGATION_TOKEN_AUTHORIZATION_FAILED",
    "DELEGATION_TOKEN_EXPIRED",
    "INVALID_PRINCIPAL_TYPE",
    "NON_EMPTY_GROUP",
    "GROUP_ID_NOT_FOUND",
    "FETCH_SESSION_ID_NOT_FOUND",
    "INVALID_FETCH_SESSION_EPOCH",
    "LISTENER_NOT_FOUND",
    "TOPIC_DELETION_DISABLED",
    "FENCED_LEADER_EPOCH",
    "UNKNOWN_LEADER_EPOCH",
    "UNSUPPORTED_COMPRESSION_TYPE",
    "STALE_BROKER_EPOCH",
    "OFFSET_NOT_AVAILABLE",
    "MEMBER_ID_REQUIRED",
    "PREFERRED_LEADER_NOT_AVAILABLE",
    "GROUP_MAX_SIZE_REACHED",
    "FENCED_INSTANCE_ID",
    "ELIGIBLE_LEADERS_NOT_AVAILABLE",
    "ELECTION_NOT_NEEDED",
    "NO_REASSIGNMENT_IN_PROGRESS",
    "GROUP_SUBSCRIBED_TO_TOPIC",
    "INVALID_RECORD",
    "UNSTABLE_OFFSET_COMMIT",
    "THROTTLING_QUOTA_EXCEEDED",
    "PRODUCER_FENCED",
    "RESOURCE_NOT_FOUND",
    "DUPLICATE_RESOURCE",
    "UNACCEPTABLE_CREDENTIAL",
    "INCONSISTENT_VOTER_SET",
    "INVALID_UPDATE_VERSION",
    "FEATURE_UPDATE_FAILED",
    "PRINCIPAL_DESERIALIZATION_FAILURE",
    "SNAPSHOT_NOT_FOUND",
    "POSITION_OUT_OF_RANGE",
    "UNKNOWN_TOPIC_ID",
    "DUPLICATE_BROKER_REGISTRATION",
    "BROKER_ID_NOT_REGISTERED",
    "INCONSISTENT_TOPIC_ID",
    "INCONSISTENT_CLUSTER_ID",
    "TRANSACTIONAL_ID_NOT_FOUND",
    "FETCH_SESSION_TOPIC_ID_ERROR",
    "INELIGIBLE_REPLICA",
    "NEW_LEADER_ELECTED",
    "OFFSET_MOVED_TO_TIERED_STORAGE",
    "FENCED_MEMBER_EPOCH",
    "UNRELEASED_INSTANCE_ID",
    "UNSUPPORTED_ASSIGNOR",
    "STALE_MEMBER_EPOCH",
    "MISMATCHED_ENDPOINT_TYPE",
    "UNSUPPORTED_ENDPOINT_TYPE",
    "UNKNOWN_CONTROLLER_ID",
    "UNKNOWN_SUBSCRIPTION_ID",
    "TELEMETRY_TOO_LARGE",
    "INVALID_REGISTRATION",
    "TRANSACTION_ABORTABLE",
    "INVALID_RECORD_STATE",
    "SHARE_SESSION_NOT_FOUND",
    "INVALID_SHARE_SESSION_EPOCH",
    "FENCED_STATE_EPOCH",
    "INVALID_VOTER_KEY",
    "DUPLICATE_VOTER",
    "VOTER_NOT_FOUND",
    "INVALID_REGULAR_EXPRESSION",
    "REBOOTSTRAP_REQUIRED",
};

const char *kafka_error_name(int16_t code)
{
    size_t at = (size_t)(code + 1);
    return code >= -1 && at < sizeof error_names / sizeof error_names[0] ? error_names[at] : NULL;
}
