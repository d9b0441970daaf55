"""Warmups as values: cluster facts, sizing, assignment, node status, progress, expiry, and the payloads between steps.

One observation of a cluster passes through six types. `facts.Readings` is what Kubernetes showed: rollout, pods and nodes.
`shared.kube.agents.ClusterReading` pairs it with the database's stored assignment, without which it cannot be judged.
`node_status.NodeStatus` is the judgement on one node. `status.WarmStatus` joins the judgements into the database's warm status;
it is a public document and grows with the cluster. `payloads.WarmReading` is its summary of fixed size, which travels from the
activity that reads to the run that watches. `shared.runs.operations.WarmProgress` is the run's custom status and the operation's
progress: the counts of the last `WarmReading`, and the run's own phase and error.
"""
