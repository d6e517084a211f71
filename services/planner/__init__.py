"""The planner: from a conversation and a policy to a plan. Stateless."""
