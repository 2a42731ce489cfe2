-- What a task is for: a change, or a question that is only answered. Tasks from before this are all for a change.
ALTER TABLE tasks ADD COLUMN purpose TEXT NOT NULL DEFAULT 'change' CHECK (purpose IN ('change', 'inquiry'));
